import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { lockWithoutSource, patchCrate, patches } from "./patches.ts";

const directory = mkdtempSync(`${tmpdir()}/smolvm-patches-`);
afterAll(() => rmSync(directory, { recursive: true }));
const source = `${directory}/source`;
const target = `${directory}/target`;
mkdirSync(`${source}/src`, { recursive: true });

const patch = {
  crate: "example",
  edits: [
    { file: "src/a.rs", from: "LAST: u32 = 15;", to: "LAST: u32 = 23;" },
    { file: "src/a.rs", from: "0..16", to: "0..24" },
  ],
};

test("edits are made in a copy, which is made anew each time", () => {
  const original = "const LAST: u32 = 15;\nfor i in 0..16 {}\n";
  writeFileSync(`${source}/src/a.rs`, original);
  writeFileSync(`${source}/src/b.rs`, "untouched\n");
  for (let round = 0; round < 2; round++) {
    patchCrate(patch, source, target);
    expect(readFileSync(`${target}/src/a.rs`, "utf8")).toBe("const LAST: u32 = 23;\nfor i in 0..24 {}\n");
  }
  expect(readFileSync(`${target}/src/b.rs`, "utf8")).toBe("untouched\n");
  expect(readFileSync(`${source}/src/a.rs`, "utf8")).toBe(original);
});

test("a crate that is not what the patch was written for is refused", () => {
  for (const text of ["const LAST: u32 = 16;\n", "const LAST: u32 = 15;\n0..16 0..16\n"]) {
    writeFileSync(`${source}/src/a.rs`, text);
    expect(() => patchCrate(patch, source, target)).toThrow(
      /^example: src\/a.rs has ".*" [02] times, not once$/,
    );
  }
});

test("the lock file's entry of a patched crate loses source and checksum, and nothing else changes", () => {
  const lock = readFileSync(`${import.meta.dir}/Cargo.lock`, "utf8");
  for (const { crate } of patches) {
    const lines = lock.split("\n");
    const kept = lockWithoutSource(lock, crate).split("\n");
    const removed = lines.filter((line, index) => !kept.includes(line) || lines.indexOf(line) !== index);
    expect(kept.length).toBe(lines.length - 2);
    expect(removed.some((line) => line.startsWith("checksum = "))).toBe(true);
  }
  expect(() => lockWithoutSource(lock, "smolvm-krun")).toThrow("no crate smolvm-krun of a registry");
});
