import { expect, test } from "bun:test";
import { whiteoutOf } from "./whiteout.ts";

test("names of the OCI and AUFS kind", () => {
  const table = Object.fromEntries(
    [
      "a/b",
      "a/.wh.b",
      ".wh.b",
      "a/.wh..wh..opq",
      ".wh..wh..opq",
      "a/.wh..wh.plnk",
      ".wh..wh.aufs/x",
      "a/x.wh.b",
    ].map((path) => [path, whiteoutOf(path)]),
  );
  expect(table).toEqual({
    "a/b": undefined,
    "a/.wh.b": { kind: "file", path: "a/b" },
    ".wh.b": { kind: "file", path: "b" },
    "a/.wh..wh..opq": { kind: "opaque", path: "a/" },
    ".wh..wh..opq": { kind: "opaque", path: "" },
    "a/.wh..wh.plnk": { kind: "hidden", path: "a/.wh..wh.plnk" },
    ".wh..wh.aufs/x": { kind: "hidden", path: ".wh..wh.aufs/x" },
    "a/x.wh.b": undefined,
  });
});

test("a directory cannot be deleted by a name inside it", () => {
  for (const path of ["a/.wh.", "a/.wh..", "a/.wh...", ".wh./", ".wh..//"]) {
    expect(() => whiteoutOf(path)).toThrow("whiteout without a name");
  }
});
