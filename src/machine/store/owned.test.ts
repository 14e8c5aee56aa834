import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { type Paths, resolvePaths } from "../../config/paths.ts";
import { createMachine } from "../client/create.ts";
import { listMachines } from "../client/info.ts";
import { defaultSpec } from "../model/index.ts";
import { claimMachine } from "./change.ts";
import { createStopped, lockRunning, machineDirectory, sweep } from "./directory.ts";
import { giveUpOwnership, lostItsOwner, takeOwnership } from "./owned.ts";

let root: string;
let paths: Paths;
const context = () => ({ paths, environment: {}, note: () => {} });

beforeEach(() => {
  root = mkdtempSync(`${tmpdir()}/smolvm-owned-`);
  paths = resolvePaths({ SMOLVM_DATA_DIR: root });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const make = (name: string) => {
  const { ownership } = createMachine(context(), defaultSpec(name), { owned: true });
  if (ownership === undefined) throw new Error("it is not owned");
  return ownership;
};
const seen = () => listMachines(context()).map(({ name }) => name);
const there = () => readdirSync(`${paths.data}/machines`).sort();

test("a machine is seen while its owner is there, and belongs to nobody once that has given it up", async () => {
  const [kept, given] = [make("kept"), make("given")];
  expect(seen()).toEqual(["given", "kept"]);
  giveUpOwnership(machineDirectory(paths, "given"));
  given.release();
  expect(lostItsOwner(machineDirectory(paths, "given"))).toBe(false);
  sweep(paths);
  expect(seen()).toEqual(["given", "kept"]);
  (await claimMachine(paths, "kept")).release();
  kept.release();
});

test("one whose owner has gone is seen by nobody, and removed by whoever sweeps, wants it or its name", async () => {
  for (const name of ["a", "b", "c"]) make(name).release();
  expect(seen()).toEqual([]);
  // Looking removes nothing.
  expect(there()).toEqual(["a", "b", "c"]);
  await expect(claimMachine(paths, "a")).rejects.toMatchObject({ code: "machine.not_found" });
  expect(there()).toEqual(["b", "c"]);
  const again = make("b");
  expect(seen()).toEqual(["b"]);
  sweep(paths);
  expect(there()).toEqual(["b"]);
  again.release();
});

test("one that runs, or that a command has, is left to them", () => {
  make("runs").release();
  const running = lockRunning(paths, "runs");
  sweep(paths);
  expect(seen()).toEqual(["runs"]);
  running?.release();

  const change = createStopped(paths, "changes", (path) => takeOwnership(path).release());
  sweep(paths);
  expect(there()).toEqual(["changes"]);
  change?.release();
  sweep(paths);
  expect(there()).toEqual([]);
});
