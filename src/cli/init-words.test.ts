import { expect, test } from "bun:test";
import { describeInit } from "./init-words.ts";

test("init commands are told about once, in the words that scripts look for", () => {
  expect(describeInit({ type: "init", index: 0, count: 2 })).toBe("Running 2 init command(s)...");
  expect(describeInit({ type: "init", index: 1, count: 2 })).toBeUndefined();
  expect(describeInit({ type: "init_skipped", count: 1 })).toBe(
    "Init already completed, skipping 1 command(s)",
  );
});
