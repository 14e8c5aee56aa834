import { afterEach, beforeEach, expect, test } from "bun:test";
import { linkSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { Directory } from "./directory.ts";
import { TEMPORARY, temporaryName } from "./temporary.ts";

let path: string;
let directory: Directory;
beforeEach(() => {
  path = mkdtempSync(`${tmpdir()}/smolvm-temporary-`);
  directory = Directory.open(path);
});
afterEach(() => {
  directory.close();
  rmSync(path, { recursive: true, force: true });
});

const LATER_MS = 120_000;

test("what killed copies have left is removed: files, links, further names, directories", () => {
  writeFileSync(`${path}/mine`, "mine");
  writeFileSync(`${path}/.smolvm-cp-mine`, "mine");
  writeFileSync(`${path}/${temporaryName()}`, "half");
  symlinkSync("mine", `${path}/${temporaryName()}`);
  linkSync(`${path}/mine`, `${path}/${temporaryName()}`);
  mkdirSync(`${path}/${temporaryName()}`);
  TEMPORARY.sweep(directory);
  expect(readdirSync(path).length).toBe(6);
  TEMPORARY.sweep(directory, Date.now() + LATER_MS);
  expect(readdirSync(path).sort()).toEqual([".smolvm-cp-mine", "mine"]);
});

test("a file, or a directory, at which a copy is at work stays", () => {
  const [file, inside] = [temporaryName(), temporaryName()];
  const fd = directory.makeFile(file);
  TEMPORARY.claim(fd);
  directory.makeDirectory(inside);
  const opened = directory.openDirectory(inside);
  TEMPORARY.claim(opened.fd);
  TEMPORARY.sweep(directory, Date.now() + LATER_MS);
  expect(readdirSync(path).sort()).toEqual([file, inside].sort());
  opened.close();
});
