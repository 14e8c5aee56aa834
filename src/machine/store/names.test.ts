import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { machineNames } from "./names.ts";

let data: string;

beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), "smolvm-names-"));
});

afterEach(() => rmSync(data, { recursive: true }));

test("without a directory of machines there are none, and none is made", () => {
  expect(machineNames({ data })).toEqual([]);
  expect(readdirSync(data)).toEqual([]);
});

test("what is being made or removed is no machine, nor is a file", () => {
  for (const name of ["web-1", "box", "a_B", ".new-x", ".old-x", "a b", "ü", "x".repeat(129)]) {
    mkdirSync(join(data, "machines", name), { recursive: true });
  }
  writeFileSync(join(data, "machines", "file"), "");
  expect(machineNames({ data })).toEqual(["a_B", "box", "web-1"]);
});

test("what cannot be read is an error", () => {
  writeFileSync(join(data, "machines"), "");
  expect(() => machineNames({ data })).toThrow("ENOTDIR");
});
