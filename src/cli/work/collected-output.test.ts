import { expect, test } from "bun:test";
import fc from "fast-check";
import { CollectedOutput, jsonBytes } from "./collected-output.ts";

/** What the strictest JSON writers make of a text: those that escape for HTML and for JavaScript. */
function strictJson(bytes: Uint8Array): string {
  return JSON.stringify(new TextDecoder().decode(bytes)).replace(
    /[<>&\u007f-\u009f\u2028\u2029\ufffd]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

test("bytes take no more in JSON than is reckoned", () => {
  const pieces = fc.oneof(fc.uint8Array({ maxLength: 50 }), fc.string({ unit: "binary" }).map(Buffer.from));
  fc.assert(
    fc.property(pieces, (bytes) => {
      expect(jsonBytes(bytes)).toBeGreaterThanOrEqual(Buffer.byteLength(strictJson(bytes)) - 2);
    }),
    { numRuns: 2000 },
  );
});

test("the end of what does not fit is kept, in order, and all of what does", () => {
  const lineOf = (number: number) => Buffer.from(`${number} ${"<".repeat(100)}\n`);
  const output = new CollectedOutput();
  for (let number = 0; number < 1000; number++)
    output.add({ fd: number % 2 === 0 ? 1 : 2, bytes: lineOf(number) });
  expect([output.isCut, output.pieces.length]).toEqual([false, 1000]);
  for (let number = 1000; number < 3000; number++) output.add({ fd: 1, bytes: lineOf(number) });
  expect(output.isCut).toBe(true);
  const text = Buffer.concat(output.pieces.map(({ bytes }) => bytes));
  expect(jsonBytes(text)).toBeLessThanOrEqual(896 * 1024);
  expect(jsonBytes(text)).toBeGreaterThan(895 * 1024);
  expect(text.toString()).toEndWith(lineOf(2999).toString());
  expect(output.pieces[0]?.bytes).toEqual(lineOf(3000 - output.pieces.length));
});
