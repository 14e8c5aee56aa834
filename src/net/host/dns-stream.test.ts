import { afterEach, expect, test } from "bun:test";
import { BareGuest, Bits, GATEWAY, ipv4, tcp } from "../guest.fixture.ts";
import { DnsStream } from "./dns-stream.ts";

let guest: BareGuest | undefined;
afterEach(() => {
  guest?.close();
  guest = undefined;
});

const framed = (query: Uint8Array) =>
  Buffer.concat([Uint8Array.of(query.length >> 8, query.length & 255), query]);

test("who does not fetch answers cannot go on asking", async () => {
  let asked = 0;
  guest = await BareGuest.start({
    resolve: async () => {
      asked++;
      return new Uint8Array(16_000);
    },
  });
  const { ours, theirs } = await guest.open(1000, 53, GATEWAY);
  const questions = Buffer.concat(Array(16).fill(framed(new Uint8Array(12))));
  // The window is closed from the beginning.
  for (let i = 0; i < 1000; i++) {
    const place = { from: 1000, to: 53, sequence: ours + i * questions.length, acknowledged: theirs };
    await guest.send(ipv4(GATEWAY, 6, tcp({ ...place, flags: Bits.ack, window: 0, data: questions })));
  }
  await guest.settled();
  await guest.settled();
  // 1 MiB and what was under way: 66 and 16 answers, where 16,000 were asked for.
  expect(asked).toBeGreaterThan(50);
  expect(asked).toBeLessThan(120);
});

test("questions cut anywhere are asked whole, and wait while answers do", async () => {
  const asked: number[] = [];
  const waiting: (() => void)[] = [];
  let answers = 0;
  let drains = 0;
  const stream = new DnsStream(
    {
      resolve: async (query) => {
        asked.push(query.length);
        await new Promise<void>((resolve) => waiting.push(resolve));
        return query;
      },
    },
    { onData: () => void answers++, onEnd() {}, onDrain: () => void drains++, onClose() {} },
  );
  const all = new Uint8Array(
    Buffer.concat(Array.from({ length: 20 }, (_, i) => framed(new Uint8Array(12 + i)))),
  );
  let at = 0;
  const write = () => {
    while (at < all.length && stream.write(all.slice(at, at + 1)) === 1) at++;
  };
  write();
  expect(asked).toEqual(Array.from({ length: 16 }, (_, i) => 12 + i));
  stream.pause();
  for (const resolve of waiting.splice(0)) resolve();
  await Bun.sleep(0);
  expect([answers, drains, stream.write(all.slice(at))]).toEqual([16, 0, 0]);
  stream.resume();
  await Bun.sleep(0);
  expect(drains).toBe(1);
  write();
  expect([at, asked.length]).toEqual([all.length, 20]);
});

test("a question that is longer than any ends the connection", async () => {
  const closed = Promise.withResolvers<string | undefined>();
  const stream = new DnsStream(
    { resolve: async () => undefined },
    { onData() {}, onEnd() {}, onDrain() {}, onClose: closed.resolve },
  );
  expect(stream.write(Uint8Array.of(0xff, 0xff, 1, 2))).toBe(4);
  expect(await closed.promise).toBe("ECONNRESET");
});
