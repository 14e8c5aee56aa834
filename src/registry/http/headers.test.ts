import { describe, expect, test } from "bun:test";
import { assert, constantFrom, integer, property, string } from "fast-check";
import { contentLength, parseContentRange } from "./content-range.ts";
import { retryAfter } from "./retry-after.ts";

const now = Date.UTC(2026, 10, 22, 12, 0, 0);

describe("Retry-After (RFC 9110, 10.2.3)", () => {
  const values: readonly (readonly [string | null, number | undefined])[] = [
    ["0", 0],
    ["5", 5000],
    [" 120 ", 120_000],
    ["99999999999999999999", Number.POSITIVE_INFINITY],
    ["Sun, 22 Nov 2026 12:00:30 GMT", 30_000],
    // Long ago, and a clock that is ahead of ours: not negative.
    ["Sun, 06 Nov 1994 08:49:37 GMT", 0],
    ["Sun, 22 Nov 2026 12:00:30", undefined],
    ["Sun, 22 Foo 2026 12:00:30 GMT", undefined],
    ["2026-11-22T12:00:30Z", undefined],
    ["1.5", undefined],
    ["-1", undefined],
    ["soon", undefined],
    ["", undefined],
    [null, undefined],
  ];
  for (const [value, expected] of values) {
    test(String(value), () => expect(retryAfter(value, now)).toBe(expected));
  }

  test("whatever is written: a wait that is not negative, or none", () => {
    const noise = string({ unit: constantFrom(..."0159 ,:SunNovGMT-".split("")), maxLength: 32 });
    assert(property(noise, (value) => (retryAfter(value, now) ?? 0) >= 0));
  });
});

describe("Content-Range (RFC 9110, 14.4)", () => {
  const values: readonly (readonly [string | null, ReturnType<typeof parseContentRange>])[] = [
    ["bytes 0-0/1", { first: 0, last: 0, total: 1 }],
    ["bytes 100-199/1000", { first: 100, last: 199, total: 1000 }],
    ["Bytes  100-199/*", { first: 100, last: 199, total: undefined }],
    ["bytes 199-100/1000", undefined],
    ["bytes 0-1000/1000", undefined],
    ["bytes */1000", undefined],
    ["bytes 0-/1000", undefined],
    ["bytes -5/1000", undefined],
    ["bytes 0-9999999999999999/*", undefined],
    ["bytes 0-5/99999999999999999999", undefined],
    ["lines 0-5/10", undefined],
    ["bytes 0-5/10, bytes 5-9/10", undefined],
    ["bytes 0x0-5/10", undefined],
    ["", undefined],
    [null, undefined],
  ];
  for (const [value, expected] of values) {
    test(String(value), () => expect(parseContentRange(value)).toEqual(expected));
  }

  test("what makes sense is read as it was written; nothing else comes out", () => {
    const number = integer({ min: 0, max: 2 ** 31 });
    assert(
      property(number, number, number, (first, last, total) => {
        const sensible = first <= last && last < total;
        const expected = sensible ? { first, last, total } : undefined;
        expect(parseContentRange(`bytes ${first}-${last}/${total}`)).toEqual(expected);
      }),
    );
    const noise = string({ unit: constantFrom(..."bytes 0-9/*,".split("")), maxLength: 24 });
    assert(property(noise, (value) => (parseContentRange(value)?.first ?? 0) >= 0));
  });
});

test("Content-Length that is no number counts as none", () => {
  const lengthOf = (value: string) => contentLength(new Headers({ "content-length": value }));
  expect(["5", "0", "-1", "1e3", "5, 5", "9".repeat(16), ""].map(lengthOf)).toEqual([
    5,
    0,
    ...Array(5).fill(undefined),
  ]);
  expect(contentLength(new Headers())).toBeUndefined();
});
