import { expect, test } from "bun:test";
import { isIP } from "node:net";
import { contains, formatAddress, parseAddress, parseRange } from "./address.ts";
import { generator, seedOfTest } from "./policy.fixture.ts";

test("addresses are written as the URL parser writes them", () => {
  for (const text of [
    ...["::", "::1", "1::", "2001:db8::1", "2001:db8:0:0:1:0:0:1", "fe80::1:2:3:4", "1:0:0:2:0:0:0:3"],
    ...["2001:0DB8:0000:0000:0000:ff00:0042:8329", "::ffff:1.2.3.4", "64:ff9b::192.0.2.1", "1:2:3:4:5:6:7::"],
  ]) {
    const parsed = parseAddress(text);
    expect(parsed).toBeDefined();
    const written = formatAddress(parsed as NonNullable<typeof parsed>);
    expect(`[${written}]`).toBe(new URL(`http://[${text}]/`).hostname);
  }
  expect(formatAddress(parseAddress("10.0.0.255") as NonNullable<ReturnType<typeof parseAddress>>)).toBe(
    "10.0.0.255",
  );
});

test("what is no address to node is none here, and the other way round", () => {
  const seed = seedOfTest();
  const random = generator(seed);
  const pieces = [
    "0",
    "1",
    "255",
    "256",
    "01",
    "ffff",
    "10000",
    ":",
    "::",
    ".",
    "a",
    "f",
    "g",
    "%",
    "/",
    " ",
  ];
  for (let round = 0; round < 20_000; round++) {
    const text = Array.from({ length: 1 + random(12) }, () => pieces[random(pieces.length)]).join("");
    // Zones are for interfaces of one host.
    if (text.includes("%")) continue;
    expect({ seed, text, is: parseAddress(text) !== undefined }).toEqual({
      seed,
      text,
      is: isIP(text) !== 0,
    });
  }
});

test("ranges", () => {
  const range = parseRange("10.1.2.3/8") as NonNullable<ReturnType<typeof parseRange>>;
  const inside = (text: string) =>
    contains(range, parseAddress(text) as NonNullable<ReturnType<typeof parseAddress>>);
  expect([inside("10.255.0.1"), inside("11.0.0.0"), inside("::a00:1")]).toEqual([true, false, false]);
  for (const wrong of [
    "10.0.0.0/33",
    "::/129",
    "10.0.0.0/",
    "10.0.0.0/08",
    "10.0.0.0/8/8",
    "x/8",
    "10.0.0/8",
    "",
  ])
    expect(parseRange(wrong)).toBeUndefined();
  expect(parseRange("::/0")).toEqual({ width: 128, value: 0n, length: 0 });
});
