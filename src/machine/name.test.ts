import { expect, test } from "bun:test";
import { checkMachineName, hostnameOf, makeMachineName } from "./name.ts";

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

test.each([
  ["web-1", "web-1"],
  ["x".repeat(63), "x".repeat(63)],
  ["x".repeat(64), "x".repeat(63)],
  [`${"x".repeat(62)}-${"y".repeat(60)}`, "x".repeat(62)],
])("%p has the host name %p", (name, hostname) => {
  expect(hostnameOf(name)).toBe(hostname);
});
