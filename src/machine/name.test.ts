import { expect, test } from "bun:test";
import { checkMachineName, makeMachineName } from "./name.ts";

test.each(["a", "A1", "web-1", "a_b", "0", "x".repeat(64)])("%p is a name", (name) => {
  expect(checkMachineName(name)).toBe(name);
});

test.each(["", "-a", "a-", "a--b", "_a", ".", "..", "a/b", "a b", "ä", "a\n", "x".repeat(65), "a\0"])(
  "%p is none",
  (name) => {
    expect(() => checkMachineName(name)).toThrow("not a machine name");
  },
);

test("made-up names are names", () => {
  expect(checkMachineName(makeMachineName())).toMatch(/^vm-[0-9a-f]{8}$/);
});
