import { expect, test } from "bun:test";
import { checkMachineName, makeMachineName } from "./name.ts";

test.each(["a", "A1", "web-1", "a_b", "0", "x".repeat(44), "x".repeat(75), "x".repeat(128)])(
  "%p is a name",
  (name) => {
    expect(checkMachineName(name)).toBe(name);
  },
);

test.each(["", "-a", "a-", "a--b", "_a", ".", "..", "a/b", "a b", "ä", "a\n", "a\0"])(
  "%p is none",
  (name) => {
    expect(() => checkMachineName(name)).toThrow("not a machine name");
  },
);

test("a longer one is refused with both lengths", () => {
  expect(() => checkMachineName("x".repeat(200))).toThrow(
    "the machine name is too long: 200 characters (max 128)",
  );
});

test("made-up names are names", () => {
  expect(checkMachineName(makeMachineName())).toMatch(/^vm-[0-9a-f]{8}$/);
});
