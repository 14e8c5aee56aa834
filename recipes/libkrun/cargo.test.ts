import { expect, test } from "bun:test";
import { isAtLeast } from "./cargo.ts";

test("versions are compared as numbers", () => {
  const cases: [have: string, need: string, answer: boolean][] = [
    ["1.85.0", "1.85", true],
    ["1.100.0", "1.85", true],
    ["2.0", "1.85", true],
    ["1.84.1", "1.85", false],
    ["0.66.0+ds1-1", "1.85", false],
    ["1.9", "1.85", false],
    ["0", "1.85", false],
  ];
  for (const [have, need, answer] of cases)
    expect([have, need, isAtLeast(have, need)]).toEqual([have, need, answer]);
});
