import { expect, test } from "bun:test";
import { addBytes, finishSum, isIntact, littleWord } from "./checksum.ts";
import { SummedMemory } from "./summed.ts";

test("RFC 1071's example", () => {
  const bytes = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);
  expect(finishSum(addBytes(0, bytes, 0, 8))).toBe(~0xddf2 & 0xffff);
  expect(littleWord(0x1234)).toBe(0x3412);
});

test("the fast sum is the plain one, at any place and of any length", () => {
  const seed = Math.floor(Math.random() * 2 ** 32);
  console.log(`seed ${seed}`);
  let state = seed | 1;
  const random = (below: number) => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
    return (state >>> 0) % below;
  };
  const bytes = new Uint8Array(70_000);
  for (let i = 0; i < bytes.length; i++) bytes[i] = random(256);
  // The largest sum that there is, too.
  const full = new Uint8Array(70_000).fill(0xff);
  for (const memory of [bytes, full]) {
    const summed = new SummedMemory(2 * 65_536);
    summed.bytes.set(memory);
    for (let round = 0; round < 3000; round++) {
      const start = random(64);
      const end = start + (round % 10 === 0 ? 65_549 - random(8) : random(200));
      const plain = finishSum(addBytes(7, memory, start, end));
      expect(finishSum(summed.add(7, start, end))).toBe(plain);
    }
  }
});

test("what has its own checksum is intact, and not any more when a byte differs", () => {
  const header = Uint8Array.from(Buffer.from("45000073000040004011b861c0a80001c0a800c7", "hex"));
  expect(isIntact(header, 0, 20)).toBe(true);
  header[3] = 0x74;
  expect(isIntact(header, 0, 20)).toBe(false);
});
