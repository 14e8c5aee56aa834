import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatBytes } from "./bytes.ts";
import { formatTable, shorten } from "./table.ts";
import { formatAgo, formatRemaining, formatSpan } from "./time.ts";

describe("bytes", () => {
  test.each([
    [0, "0 B"],
    [1, "1 B"],
    [1023, "1023 B"],
    [1024, "1.0 KiB"],
    [3_626_534, "3.5 MiB"],
    [12 * 2 ** 20, "12.0 MiB"],
    [104_805_171, "99.9 MiB"],
    [104_857_600 - 1, "100 MiB"],
    [2 ** 30 - 1, "1.0 GiB"],
    [1023.4 * 2 ** 20, "1023 MiB"],
    [2 ** 53 - 1, "8.0 PiB"],
    [-5, "0 B"],
    [Number.NaN, "0 B"],
  ])("%d is %s", (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  test("at most 8 characters, and never a smaller text for more bytes", () => {
    const value = (text: string) => {
      const [amount, unit = ""] = text.split(" ");
      return Number(amount) * 1024 ** ["B", "KiB", "MiB", "GiB", "TiB", "PiB"].indexOf(unit);
    };
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (a, b) => {
        const [less, more] = [Math.min(a, b), Math.max(a, b)].map(formatBytes) as [string, string];
        expect(more.length).toBeLessThanOrEqual(8);
        expect(value(less)).toBeLessThanOrEqual(value(more));
      }),
    );
  });
});

describe("times", () => {
  test.each([
    [-100, "just now"],
    [0, "just now"],
    [1, "1 second ago"],
    [59, "59 seconds ago"],
    [60, "1 minute ago"],
    [3599, "59 minutes ago"],
    [86_399, "23 hours ago"],
    [6 * 86_400, "6 days ago"],
    [29 * 86_400, "4 weeks ago"],
    [364 * 86_400, "12 months ago"],
    [800 * 86_400, "2 years ago"],
  ])("%d seconds: %s", (passed, text) => {
    expect(formatAgo(1_700_000_000 - passed, 1_700_000_000)).toBe(text);
  });

  test.each([
    [0, "0.0 s"],
    [1234, "1.2 s"],
    [9949, "9.9 s"],
    [9999, "10 s"],
    [59_999, "1 min 0 s"],
    [125_000, "2 min 5 s"],
    [11_400_000, "3 h 10 min"],
    [-1, "0.0 s"],
  ])("%d ms: %s", (milliseconds, text) => {
    expect(formatSpan(milliseconds)).toBe(text);
  });

  test("what remains", () => {
    expect([0.2, 7.4, 61, 7200].map(formatRemaining)).toEqual(["0 s", "7 s", "1 min 1 s", "2 h 0 min"]);
  });
});

describe("tables", () => {
  const columns = [
    { title: "NAME", width: 10, align: "left", text: (row: string) => row },
    { title: "LENGTH", width: 6, align: "right", text: (row: string) => String(row.length) },
  ] as const;

  test("have columns that stay in place", () => {
    expect(formatTable(columns, ["a", "registry/name:tag"])).toMatchInlineSnapshot(`
      "NAME       LENGTH
      -----------------
      a               1
      regi...tag     17
      "
    `);
  });

  test("show everything when asked to", () => {
    expect(
      formatTable(columns, ["registry/name:tag"], { full: true, details: () => ["  more"] }),
    ).toMatchInlineSnapshot(`
      "NAME              LENGTH
      ------------------------
      registry/name:tag     17
        more
      "
    `);
  });

  test("a shortened text has exactly the width", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme-ascii" }), fc.integer({ min: 4, max: 60 }), (text, width) => {
        expect(shorten(text, width).length).toBe(Math.min(width, text.length));
      }),
    );
  });
});
