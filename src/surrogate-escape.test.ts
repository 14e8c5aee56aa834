import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { decodeByteString, encodeByteString } from "./surrogate-escape.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

describe("byte strings", () => {
  const cases: [name: string, bytes: string, text: string][] = [
    ["text is itself", "c3a9f09f9880", "é😀"],
    ["a byte order mark stays", "efbbbf61", "\ufeffa"],
    ["a byte that is none of UTF-8", "61ff62", "a\udcffb"],
    ["a sequence that is cut", "e282", "\udce2\udc82"],
    ["an overlong form", "c0af", "\udcc0\udcaf"],
    ["an encoded surrogate", "edb280", "\udced\udcb2\udc80"],
    ["beyond Unicode", "f4908080", "\udcf4\udc90\udc80\udc80"],
    ["a good character behind a bad byte", "80c3a9", "\udc80é"],
    ["a pair whose second half looks like an escaped byte", "f0908280ff", "\u{10080}\udcff"],
  ];
  for (const [name, bytes, text] of cases) {
    test(name, () => {
      expect(decodeByteString(Buffer.from(bytes, "hex"))).toBe(text);
      expect(hex(encodeByteString(text))).toBe(bytes);
    });
  }

  test("any bytes come back, also through JSON and the protocol's UTF-8", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.string({ unit: "binary" }).map((text) => new TextEncoder().encode(text)),
      fc
        .array(fc.constantFrom(0xed, 0xa0, 0xb2, 0x80, 0xf0, 0x90, 0xbf, 0x41))
        .map((list) => Uint8Array.from(list)),
    );
    fc.assert(
      fc.property(bytes, (given) => {
        const json = new TextEncoder().encode(JSON.stringify(decodeByteString(given)));
        const text = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(json)) as string;
        expect(hex(encodeByteString(text))).toBe(hex(given));
      }),
      { numRuns: 3000 },
    );
  });

  test("surrogates that stand for no byte do not become one", () => {
    expect(hex(encodeByteString("\ud800a\udc00"))).toBe("efbfbd61efbfbd");
    expect(hex(encodeByteString("\ud800\udcff"))).toBe(hex(new TextEncoder().encode("\u{100ff}")));
  });
});
