import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { execCommand, machineAndContainers, parseContainerVolume } from "./container-options.ts";

describe("a container's volume", () => {
  test.each([
    ["/storage/a:/b", "/storage/a", "/b", false],
    ["/workspace:/src:ro", "/workspace", "/src", true],
    ["/workspace:/src:rw", "/workspace", "/src", false],
  ])("%s", (text, source, target, readOnly) => {
    expect(parseContainerVolume(text)).toEqual({ source, target, readOnly });
  });

  test.each(["", ":", "/storage", "/storage:", ":/x", "/a:/b:z", "/a:/b:ro:ro"])("%j is none", (text) => {
    expect(() => parseContainerVolume(text)).toThrow(expect.objectContaining({ code: "cli.bad_value" }));
  });

  test("any text is one or is refused", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          const { source, target } = parseContainerVolume(text);
          expect(text.startsWith(`${source}:${target}`)).toBe(true);
        } catch (error) {
          expect(error).toMatchObject({ code: "cli.bad_value" });
        }
      }),
    );
  });
});

test("containers are named once", () => {
  expect(machineAndContainers(["box", "a", "b", "a"])).toEqual({ machine: "box", ids: ["a", "b"] });
});

test("a session without a command is a shell; nothing to run is an error", () => {
  expect(execCommand(["ls"], false)).toEqual(["ls"]);
  expect(execCommand([], true)).toEqual(["/bin/sh"]);
  expect(() => execCommand([], false)).toThrow(expect.objectContaining({ code: "cli.missing_word" }));
});
