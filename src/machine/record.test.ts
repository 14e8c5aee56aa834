import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseRecord } from "./record.ts";

test("anything that is not a record is refused without an exception", () => {
  for (const text of [
    "",
    "null",
    "1",
    "[]",
    "{}",
    '{"version":1}',
    '{"version":2}',
    "\0",
    '{"version":1,"name":1}',
  ]) {
    expect(parseRecord(text)).toBeUndefined();
  }
  fc.assert(fc.property(fc.json(), (text) => parseRecord(text) === undefined));
});
