import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { rmSync } from "node:fs";
import { dirname } from "node:path";
import { useMachines } from "../support/machines.ts";
import { Talking, until } from "../support/process.ts";
import { program, slowness } from "../support/program.ts";
import { bundle } from "./bundle.ts";

setDefaultTimeout(180_000 * slowness);

/** Machines end with the program that made them, however it ends. */

const machines = useMachines();
let embedder: string;
beforeAll(async () => {
  embedder = await bundle(`${import.meta.dir}/embedder.ts`);
});
afterAll(() => rmSync(dirname(embedder), { recursive: true }));

/** Starts a program with machines, and waits until they run. */
async function embed(policy: string, ...names: readonly string[]): Promise<Talking> {
  const talking = new Talking(
    Bun.spawn([process.execPath, embedder, policy, ...names], {
      cwd: machines.path,
      env: { ...machines.env, SMOLVM_BIN: program },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    }),
  );
  for (const _ of names) expect(await talking.line()).toMatch(/^running /);
  return talking;
}

function childOf(home: typeof machines): number {
  const child = home.processes().find(({ command }) => command.split(" ")[1] === "__sdk");
  if (child === undefined) throw new Error("there is no child");
  return child.pid;
}

const children = () => machines.processes().filter(({ command }) => command.split(" ")[1] === "__sdk");

test("a program is killed: its machines are gone, with all that they had, and so is its child", async () => {
  const { child } = await embed("delete", "a", "b");
  expect((await machines.names()).sort()).toEqual(["a", "b"]);
  child.kill("SIGKILL");
  await child.exited;
  await machines.expectNothingLeft();
});

test("its child is killed: the machines end by themselves, and what was pending fails with a code", async () => {
  const talking = await embed("delete", "c");
  process.kill(childOf(machines), "SIGKILL");
  // Of the machine, or still of the child, which knows where that is; or it was gone when it was to be reached.
  expect(await talking.line()).toMatch(/^pending (machine\.(lost|not_running)|sdk\.child_failed)$/);
  talking.child.kill("SIGKILL");
  await talking.child.exited;
  await machines.expectNothingLeft();
});

test("its child is killed before a machine that was made is started: nobody sees it, and its name is free", async () => {
  const talking = await embed("unstarted", "u");
  expect((await machines.state("u")).state).toBe("created");
  process.kill(childOf(machines), "SIGKILL");
  await until("the machine is left over", async () => (await machines.names()).length === 0);
  await machines.ok("create", "--name", "u");
  await machines.ok("delete", "--force", "--name", "u");
  talking.child.kill("SIGKILL");
  await talking.child.exited;
  await machines.expectNothingLeft();
});

test("a machine that is to be kept is stopped in order", async () => {
  const { child } = await embed("stop", "d");
  child.kill("SIGKILL");
  await until("the machine's end", async () => (await machines.state("d")).state === "stopped");
  await until("the child's end", () => children().length === 0);
  const again = await embed("stop", "e");
  process.kill(childOf(machines), "SIGKILL");
  await until("the other's end", async () => (await machines.state("e")).state === "stopped");
  again.child.kill("SIGKILL");
  await again.child.exited;
  await machines.deleteAll();
});

test("a detached machine runs on, and others use it", async () => {
  const { child } = await embed("detached", "f");
  child.kill("SIGKILL");
  await until("the child's end", () => children().length === 0);
  expect((await machines.state("f")).state).toBe("running");
  expect(await machines.sh("f", "echo here")).toBe("here\n");
  await machines.deleteAll();
});

test("a machine is killed: what was pending fails with a code, and the program lives", async () => {
  const talking = await embed("delete", "g");
  process.kill(machines.processOf("g"), "SIGKILL");
  // Lost, or already gone when it was to be reached.
  expect(await talking.line()).toMatch(/^pending machine\.(lost|not_running)$/);
  expect(talking.child.exitCode).toBe(null);
  talking.child.kill("SIGTERM");
  await talking.child.exited;
  await machines.expectNothingLeft();
});
