import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import type { Context } from "../../context.ts";
import { hashOf } from "../disks/disks.fixture.ts";
import { diskPath } from "../disks/index.ts";
import { defaultSpec } from "../model/index.ts";
import { silent } from "../model/layers.fixture.ts";
import { dataDirectory, machinesDirectory, sweep, tryLockForChange } from "../store/index.ts";
import { contextIn, ORIGINAL } from "./crash.fixture.ts";
import { createMachine } from "./create.ts";
import { listMachines, type MachineInfo } from "./info.ts";
import { deleteMachine } from "./stop.ts";
import { updateMachine } from "./update.ts";

/** kill -9 of processes that create, change, copy and delete machines, in the middle of it. */

setDefaultTimeout(120_000);

const HOMES = 3;
const KILLS_EACH = 25;
/** Two at once work on the same machines; a change takes a few milliseconds. */
const WORKERS = 2;
const LONGEST_MS = 60;

let root: string;
beforeEach(() => {
  root = mkdtempSync(`${tmpdir()}/smolvm-crash-`);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** The disks of the machine that is copied: most of them is holes. */
function makeOriginal(context: Context): string[] {
  createMachine(context, defaultSpec(ORIGINAL));
  const data = dataDirectory(context.paths, ORIGINAL);
  mkdirSync(data);
  return (["overlay", "storage"] as const).map((name) => {
    const path = diskPath(data, name);
    writeFileSync(path, Buffer.alloc(300_000, name));
    truncateSync(path, 64 * 1024 * 1024);
    return hashOf(path);
  });
}

async function killSoon(directory: string): Promise<void> {
  const fixture = new URL("crash.fixture.ts", import.meta.url).pathname;
  const workers = Array.from({ length: WORKERS }, () =>
    Bun.spawn([process.execPath, fixture, directory], { stdout: "pipe", stderr: "inherit" }),
  );
  const outputs = workers.map(({ stdout }) => stdout[Symbol.asyncIterator]());
  for (const output of outputs) expect(`${Buffer.from((await output.next()).value ?? "")}`).toBe("on\n");
  await Bun.sleep(Math.random() * LONGEST_MS);
  for (const worker of workers) worker.kill("SIGKILL");
  for (const worker of workers) await worker.exited;
  for (const output of outputs) expect(`${Buffer.from((await output.next()).value ?? "")}`).toBe("");
}

function checkWhole(context: Context, { name, status, reason, record }: MachineInfo, disks: string[]): void {
  expect({ name, status, reason }).toEqual({ name, status: "created", reason: "" });
  expect(record?.env.join("").length).toBe(name.startsWith("bare") ? 9000 : 0);
  if (!name.startsWith("disk")) return;
  const data = dataDirectory(context.paths, name);
  expect((["overlay", "storage"] as const).map((disk) => hashOf(diskPath(data, disk)))).toEqual(disks);
}

async function endure(directory: string): Promise<void> {
  const context = contextIn(directory);
  mkdirSync(directory);
  const disks = makeOriginal(context);
  for (let kill = 0; kill < KILLS_EACH; kill++) {
    await killSoon(directory);
    const machines = listMachines(context);
    for (const machine of machines) {
      checkWhole(context, machine, disks);
      const lock = tryLockForChange(context.paths, machine.name);
      expect(lock).toBeObject();
      if (typeof lock !== "string") lock.release();
      // The record of a change that did not come to its end is in nobody's way.
      if (machine.name !== ORIGINAL)
        await updateMachine(context, machine.name, { ...silent, memoryMib: 512 + kill });
    }
    sweep(context.paths);
    const left = readdirSync(machinesDirectory(context.paths));
    expect(left.sort()).toEqual(machines.map(({ name }) => name));
  }
  for (const { name } of listMachines(context)) await deleteMachine(context, name);
  expect(readdirSync(machinesDirectory(context.paths))).toEqual([]);
}

test(`${HOMES * KILLS_EACH * WORKERS} kills leave each machine whole or away, and nothing that a sweep does not take`, async () => {
  await Promise.all(Array.from({ length: HOMES }, (_, at) => endure(`${root}/${at}`)));
});
