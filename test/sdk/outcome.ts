import { expect } from "bun:test";
import type { Result } from "../support/process.ts";

/** That the suite (suite.ts), in whatever runtime, has run all its cases, and that each has passed. */
export function expectPassed({ exitCode, output, stderr }: Result): void {
  const cases = output
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as { name: string; failure?: string });
  expect(cases.filter(({ failure }) => failure !== undefined)).toEqual([]);
  expect(stderr).toBe("");
  expect(exitCode).toBe(0);
  expect(cases.length).toBeGreaterThan(20);
}
