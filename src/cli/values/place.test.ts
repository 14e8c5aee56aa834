import { describe, expect, test } from "bun:test";
import { parseMode } from "./mode.ts";
import { parsePlace, parsePlaces } from "./place.ts";

const codeOf = (work: () => unknown): string => {
  try {
    work();
    return "none";
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe("one side of cp", () => {
  test.each([
    ["box:/etc", "/etc"],
    ["box:etc/hosts", "/etc/hosts"],
    ["box:.", "/."],
    ["box:/a:b", "/a:b"],
    ["box:/dir/.", "/dir/."],
  ])("%s is in a machine", (text, path) => {
    expect(parsePlace(text)).toEqual({ kind: "machine", machine: "box", path });
  });

  test.each(["/a:b", "./a:b", "../a", ".", "file", "dir/a:b", "ä"])("%s is the host's", (path) => {
    expect(parsePlace(path)).toEqual({ kind: "host", path });
  });

  test("- is a stream", () => expect(parsePlace("-")).toEqual({ kind: "stream" }));

  test.each(["", ":", ":/etc", "box:", "no name:/etc", "-x:/etc", "a\0b"])("%j is refused", (text) => {
    expect(codeOf(() => parsePlace(text))).toBe("cli.bad_value");
  });
});

test("exactly one side is a machine's", () => {
  expect(codeOf(() => parsePlaces("a", "box:/b"))).toBe("none");
  expect(codeOf(() => parsePlaces("box:/b", "-"))).toBe("none");
  for (const [source, target] of [
    ["a", "b"],
    ["-", "-"],
    ["box:/a", "web:/b"],
  ] as const)
    expect(codeOf(() => parsePlaces(source, target))).toBe("cli.bad_copy");
});

test("modes", () => {
  for (const text of ["644", "0644", "0o644", "00000644"]) expect(parseMode(text)).toBe(0o644);
  expect(parseMode("7777")).toBe(0o7777);
  for (const text of ["", "8", "0x1", "10000", "-1", "u+x", "644 "])
    expect(codeOf(() => parseMode(text))).toBe("cli.bad_value");
});
