import { expect, test } from "bun:test";
import fc from "fast-check";
import { heldMemory } from "../held-memory.fixture.ts";
import { ConsoleTail } from "./console.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

test("keeps the last lines", () => {
  const tail = new ConsoleTail();
  for (let line = 1; line <= 100; line++) tail.push(bytes(`line ${line}\n`));
  expect(tail.text(3)).toBe("line 98\nline 99\nline 100");
});

test("starts with a whole line when the beginning is gone", () => {
  const tail = new ConsoleTail(16);
  tail.push(bytes("a long first line\nsecond\nthird\n"));
  expect(tail.text()).toBe("second\nthird");
});

test("removes what a terminal obeys", () => {
  const tail = new ConsoleTail();
  tail.push(
    bytes("\u001b[2J\u001b[31mred\u001b[0m \u001b]0;title\u0007ok\r\nbell\u0007 \u009b1m \u202etxt\u001b"),
  );
  expect(tail.text()).toBe("red ok\nbell 1m txt");
});

test("cuts lines that never end", () => {
  const tail = new ConsoleTail();
  tail.push(bytes("x".repeat(10_000)));
  expect(tail.text(20, 50)).toBe(`${"x".repeat(50)}…`);
});

test("holds a bounded number of bytes, whatever is written in whatever pieces", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 60 }), (chunks) => {
      const tail = new ConsoleTail(1000);
      for (const chunk of chunks) tail.push(chunk);
      const text = tail.text(1_000_000, 1_000_000);
      // Each byte becomes at most one replacement character of three bytes.
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(3 * 1000);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this is about
      expect(text).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
    }),
  );
});

test("does not keep big chunks alive or copy them over and over", () => {
  const tail = new ConsoleTail();
  const chunk = new Uint8Array(64 * 1024).fill(0x78);
  const before = heldMemory();
  for (let count = 0; count < 4_000; count++) tail.push(chunk);
  expect(heldMemory() - before).toBeLessThan(10 * 1024 * 1024);
});
