import { expect, test } from "bun:test";
import { closeSync, openSync, readFileSync, statSync } from "node:fs";
import { array, assert, integer, property, tuple } from "fast-check";
import { someBytes, temporaryDirectory } from "./assets.fixture.ts";
import { ExtentWriter, extentsOf, hashFile } from "./sparse.ts";

/** Pairs of hole and data lengths, which make any list of extents. */
const layouts = array(tuple(integer({ min: 1, max: 9000 }), integer({ min: 1, max: 9000 })), {
  minLength: 1,
  maxLength: 12,
});

test("data goes to its extents, however the stream is cut", () => {
  using root = temporaryDirectory();
  const path = `${root.path}/file`;
  assert(
    property(layouts, integer({ min: 0, max: 5000 }), integer({ min: 1, max: 7000 }), (layout, end, step) => {
      const flat: number[] = [];
      let offset = 0;
      for (const [hole, length] of layout) {
        flat.push(offset + hole, length);
        offset += hole + length;
      }
      const size = offset + end;
      const extents = extentsOf({ size, extents: flat });
      const data = someBytes(layout.reduce((sum, [, length]) => sum + length, 0));
      const expected = new Uint8Array(size);
      let taken = 0;
      for (const extent of extents) {
        expected.set(data.subarray(taken, taken + extent.length), extent.offset);
        taken += extent.length;
      }

      const fd = openSync(path, "w+");
      const writer = new ExtentWriter(fd, extents);
      for (let at = 0; at < data.length; at += step) writer.write(data.subarray(at, at + step));
      expect(() => writer.write(new Uint8Array(1))).toThrow(RangeError);
      writer.finish(size);
      closeSync(fd);

      expect(readFileSync(path).equals(expected)).toBe(true);
      const hash = new Bun.CryptoHasher("sha256").update(data).digest("hex");
      expect(hashFile(path, size, extents)).toBe(hash);
      expect(hashFile(path, size + 1, extents)).toBeUndefined();
    }),
    { numRuns: 200 },
  );
});

test("missing data is noticed", () => {
  using root = temporaryDirectory();
  const fd = openSync(`${root.path}/file`, "w+");
  const writer = new ExtentWriter(fd, [{ offset: 0, length: 10 }]);
  writer.write(new Uint8Array(9));
  expect(() => writer.finish(10)).toThrow(RangeError);
  closeSync(fd);
  expect(statSync(`${root.path}/file`).size).toBe(9);
});
