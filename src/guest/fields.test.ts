import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ProtocolError } from "../protocol/index.ts";
import { FieldReader, FieldWriter } from "./fields.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const read = (text: string) => new FieldReader(Buffer.from(text, "hex"), "answer");

describe("writing", () => {
  test("ints are as short as they can be, texts are bytes", () => {
    const writer = new FieldWriter([1]);
    writer
      .int(1, 0)
      .int(2, 256)
      .int(3, 2n ** 64n - 1n)
      .text(4, "a\udcff")
      .int(5, undefined)
      .texts(6, ["", "b"]);
    expect(hex(writer.finish())).toBe(
      "01" +
        "0100000100" +
        "020000020100" +
        "03000008ffffffffffffffff" +
        "0400000261ff" +
        "06000000" +
        "0600000162",
    );
  });

  test("what the protocol cannot say is refused", () => {
    for (const wrong of [-1, 1.5, Number.NaN, 2 ** 60, -1n, 2n ** 64n])
      expect(() => new FieldWriter().int(1, wrong)).toThrow(RangeError);
    expect(() => new FieldWriter().text(1, "a\0")).toThrow(RangeError);
    expect(() => new FieldWriter().bytes(1, new Uint8Array(2 ** 24))).toThrow(RangeError);
  });
});

describe("reading", () => {
  test("what was written, in any order, with fields that nobody asks for", () => {
    const payload = new FieldWriter().int(9, 1).text(2, "é").int(1, 77).text(3, "a").text(3, "b").finish();
    const fields = new FieldReader(payload, "answer");
    expect(fields.int(1)).toBe(77);
    expect(fields.text(2, 2)).toBe("é");
    expect(fields.all(3).map((value) => Buffer.from(value).toString())).toEqual(["a", "b"]);
    expect(fields.optionalInt(7)).toBeUndefined();
    expect(fields.all(7)).toEqual([]);
  });

  const wrong: [name: string, look: () => unknown][] = [
    ["a cut header", () => read("010000")],
    ["a value longer than the payload", () => read("0100000261")],
    ["too many fields", () => read("01000000".repeat(5000))],
    ["an int of no bytes", () => read("01000000").int(1)],
    ["an int of nine bytes", () => read("01000009000000000000000001").int(1)],
    ["an int above its limit", () => read("01000001ff").int(1, 254)],
    ["an int above what numbers hold", () => read("010000080020000000000000").int(1)],
    ["an int twice", () => read("01000001010100000101").int(1)],
    ["a missing int", () => read("").int(1)],
    ["a missing text", () => read("").text(1, 10)],
    ["a text above its limit", () => read("010000026161").text(1, 1)],
    ["a text with a NUL", () => read("010000026100").text(1, 10)],
    ["a value shorter than its head", () => read("0100000100").headAndText(1, new Uint8Array(1), 2, 10)],
  ];
  for (const [name, look] of wrong) test(`refuses ${name}`, () => expect(look).toThrow(ProtocolError));

  test("any bytes are taken apart or refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(9), (bytes, tag) => {
        try {
          const fields = new FieldReader(bytes, "answer");
          for (const look of [() => fields.optionalInt(tag), () => fields.optionalText(tag, 20)]) {
            const value = look();
            expect(["undefined", "number", "string"]).toContain(typeof value);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
      { numRuns: 3000 },
    );
  });
});
