import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { closeSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import type { Paths } from "../config/paths.ts";
import {
  createMachineDirectory,
  readRunningMachine,
  readRunningMachines,
  removeIfUnused,
  removeMachineDirectory,
  sweepMachineDirectories,
  writeRecord,
} from "./directory.ts";
import type { MachineRecord } from "./record.ts";
import { socketPaths } from "./sockets.ts";

const record = (name: string): MachineRecord => ({
  version: 1,
  name,
  pid: process.pid,
  createdAt: 1,
  ephemeral: true,
  engine: "qemu",
  cpus: 1,
  memoryMib: 64,
  storageGib: 1,
  overlayGib: 1,
  mitigations: false,
  image: null,
  imageId: null,
  entrypoint: [],
  cmd: [],
  env: [],
  workdir: "/",
  user: "",
  state: "running",
});

let root: string;
let paths: Paths;

beforeEach(() => {
  root = mkdtempSync(`${tmpdir()}/smolvm-directory-`);
  paths = { data: root, cache: `${root}/cache`, config: `${root}/config`, runtime: `${root}/run` };
  mkdirSync(paths.runtime);
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

const left = () => readdirSync(`${root}/ephemeral`);

describe("machine directories", () => {
  test("appear locked, are listed while locked, and go away", async () => {
    const directory = createMachineDirectory(paths, "one");
    await writeRecord(directory, record("one"));
    expect((await readRunningMachines(paths)).map(({ name }) => name)).toEqual(["one"]);
    expect(removeIfUnused(paths, "one")).toBe(false);
    removeMachineDirectory(paths, "one");
    closeSync(directory.lock);
    expect(left()).toEqual([]);
  });

  test("a name is taken while its machine runs and free afterwards, whatever was left", () => {
    const first = createMachineDirectory(paths, "one");
    expect(() => createMachineDirectory(paths, "one")).toThrow("already running");
    // As after kill -9: the lock is released, the files stay.
    writeFileSync(`${first.path}/overlay.ext4`, "disk");
    writeFileSync(socketPaths(paths, "one").control, "");
    closeSync(first.lock);
    const second = createMachineDirectory(paths, "one");
    expect(existsSync(`${second.path}/overlay.ext4`)).toBe(false);
    expect(existsSync(paths.runtime)).toBe(false);
    closeSync(second.lock);
  });

  test("a sweep removes what nobody holds and nothing else", async () => {
    const alive = createMachineDirectory(paths, "alive");
    await writeRecord(alive, record("alive"));
    closeSync(createMachineDirectory(paths, "dead").lock);
    mkdirSync(`${root}/ephemeral/.old-123`);
    writeFileSync(`${root}/ephemeral/.old-123/overlay.ext4`, "disk");
    mkdirSync(`${root}/ephemeral/.new-456`);
    sweepMachineDirectories(paths);
    expect(left()).toEqual(["alive"]);
    closeSync(alive.lock);
  });

  test("looking has no side effect, with and without anything to see", async () => {
    expect(await readRunningMachines(paths)).toEqual([]);
    expect(await readRunningMachine(paths, "none")).toBeUndefined();
    expect(existsSync(`${root}/ephemeral`)).toBe(false);
    closeSync(createMachineDirectory(paths, "dead").lock);
    expect(await readRunningMachines(paths)).toEqual([]);
    expect(left()).toEqual(["dead"]);
  });

  test("a damaged record hides the machine but does not make it removable", () => {
    const directory = createMachineDirectory(paths, "odd");
    writeFileSync(`${directory.path}/machine.json`, "{");
    expect(removeIfUnused(paths, "odd")).toBe(false);
    closeSync(directory.lock);
  });

  test("20 processes that want the same name: exactly one gets it", async () => {
    const script = `
      import { createMachineDirectory } from ${JSON.stringify(`${import.meta.dir}/directory.ts`)};
      try { createMachineDirectory(${JSON.stringify(paths)}, "same"); console.log("won"); } catch { console.log("lost"); }
      await new Promise((resolve) => process.stdin.once("end", resolve).resume());
    `;
    const children = Array.from({ length: 20 }, () =>
      Bun.spawn([process.execPath, "-e", script], { stdin: "pipe", stdout: "pipe", stderr: "inherit" }),
    );
    const first = await Promise.all(
      children.map(async (child) =>
        new TextDecoder().decode((await child.stdout.getReader().read()).value).trim(),
      ),
    );
    for (const child of children) child.stdin.end();
    await Promise.all(children.map((child) => child.exited));
    expect(first.filter((word) => word === "won")).toHaveLength(1);
    expect(first.filter((word) => word === "lost")).toHaveLength(19);
  }, 30_000);
});
