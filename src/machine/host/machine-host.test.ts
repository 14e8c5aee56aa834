import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { makeRoot } from "../../../agent/testing/index.ts";
import type { Machine } from "../client/connect.ts";
import { inspectMachine } from "../client/info.ts";
import { Process } from "../client/process.ts";
import { defaultSpec, type MachineSpec, newRecord } from "../model/index.ts";
import { dataDirectory, machineDirectory } from "../store/index.ts";
import { TestPlace } from "./host.fixture.ts";

let place: TestPlace;
beforeEach(() => {
  place = new TestPlace();
});
afterEach(() => place.remove());

async function run(machine: Machine, ...argv: string[]): Promise<string> {
  const process = machine.exec({ argv, stdin: false });
  const parts: string[] = [];
  for await (const chunk of process.stdout) parts.push(Buffer.from(chunk).toString());
  const result = await process.result;
  return `${parts.join("")}${"exitCode" in result && result.exitCode === 0 ? "" : JSON.stringify(result)}`;
}

const context = () => ({ paths: place.paths, environment: {}, note: () => {} });

describe("a lasting machine", () => {
  test("outlives its owner, runs what clients ask for, and ends in order", async () => {
    const record = place.create("box", { env: ["GREETING=hello"] });
    const { report, owner, host } = await place.start(place.order(record));
    await report;
    owner.close();
    expect(inspectMachine(context(), "box").status).toBe("running");
    const machine = await place.connect("box");
    expect(await run(machine, "sh", "-c", "echo $GREETING; echo kept > /root.txt")).toBe("hello\n");
    // The agent's program is a file of another name here; the process may not have taken its own yet.
    expect(await run(machine, "ps", "-o", "pid,comm")).toMatch(/^ +1 (init|agent)$/m);
    machine.open({ method: "stop" });
    await machine.gone;
    await host.ended;
    expect(inspectMachine(context(), "box")).toMatchObject({ status: "stopped", reason: "" });
    const console = readFileSync(`${dataDirectory(place.paths, "box")}/agent-console.log`, "utf8");
    expect(JSON.parse(console.split("\n", 1)[0] as string)).toEqual({
      timestamp: expect.any(String),
      level: "info",
      message: "smolvm test starts the machine on qemu",
    });

    const again = await place.start(place.order(record));
    await again.report;
    const second = await place.connect("box");
    expect(await run(second, "cat", "/root.txt")).toBe("kept\n");
    second.close();
  });

  test("runs its command beside what people start, and says how it ended", async () => {
    const record = place.create("box", { cmd: ["sh", "-c", "echo out; echo err >&2; exit 3"] });
    const { report, host } = await place.start(place.order(record));
    await report;
    const machine = await place.connect("box");
    expect(await run(machine, "true")).toBe("");
    await until(() => place.state("box")?.workload?.end !== null);
    expect(place.state("box")?.workload?.end).toMatchObject({
      exitCode: 3,
      signal: null,
      outOfMemory: false,
    });
    expect(inspectMachine(context(), "box").status).toBe("running");
    machine.close();
    await host.end("gracefully");
  });

  test("asks its command to end before it ends it", async () => {
    const script = "trap 'echo bye > /bye; exit 0' TERM; echo ready > /ready; while :; do sleep 0.05; done";
    const record = place.create("box", { cmd: ["sh", "-c", script], stopTimeoutMs: 10_000 });
    const { report, host } = await place.start(place.order(record));
    await report;
    const machine = await place.connect("box");
    await run(machine, "sh", "-c", "until [ -e /ready ]; do sleep 0.01; done");
    await host.end("gracefully");
    expect(await Bun.file(`${place.root("box")}/bye`).text()).toBe("bye\n");
    expect(place.state("box")?.workload?.end).toMatchObject({ exitCode: 0 });
  });

  test("initializes itself once, runs its init commands at each start, and shows what they print", async () => {
    const record = place.create("box", { init: ["echo each"], initOnce: ["echo once; echo e >&2"] });
    const first = await place.start(place.order(record));
    await first.report;
    expect(first.output.join("")).toContain("once\n");
    expect(first.output.join("")).toContain("each\n");
    expect(first.events).toEqual([
      { type: "init", index: 0, count: 2 },
      { type: "init", index: 1, count: 2 },
    ]);
    await first.host.end("gracefully");
    const info = inspectMachine(context(), "box");
    expect(info.record?.initialized).toBe(true);
    if (info.record === undefined) throw new Error("no record");
    const second = await place.start(place.order(info.record));
    await second.report;
    expect(second.output.join("")).toBe("each\n");
    expect(second.events).toContainEqual({ type: "init_skipped", count: 1 });
    await second.host.end("now");
  });

  test("initializes itself again on disks that are new, and not when only its VM is", async () => {
    const restart = { policy: "always", maxRetries: 0, maxBackoffMs: 1000 } as const;
    const record = place.create("box", { initOnce: ["echo once >> /once"], restart });
    const first = await place.start(place.order(record));
    await first.report;
    const lines = () => readFileSync(`${place.root("box")}/once`, "utf8").split("\n").length - 1;
    const readyAt = place.state("box")?.readyAt;
    first.pullThePlug();
    await until(() => place.state("box")?.phase === "running" && place.state("box")?.readyAt !== readyAt);
    expect(lines()).toBe(1);
    await first.host.end("gracefully");
    rmSync(dataDirectory(place.paths, "box"), { recursive: true });
    const { record: known } = inspectMachine(context(), "box");
    if (known === undefined) throw new Error("no record");
    const second = await place.start(place.order(known));
    await second.report;
    expect(lines()).toBe(2);
    await second.host.end("now");
  });

  test("that cannot initialize itself does not run, and tells what was printed", async () => {
    const record = place.create("box", { init: ["true", "echo on out; echo on err >&2; exit 7"] });
    const { report, host } = await place.start(place.order(record));
    const error = await report.catch((error: unknown) => error);
    expect(error).toMatchObject({ code: "machine.init_failed" });
    expect(String(error)).toContain("init[1] failed (exit 7)");
    expect(String(error)).toContain("on err");
    await host.ended;
    expect(inspectMachine(context(), "box").status).toBe("failed");
  });

  test("is there once: a second process finds it running", async () => {
    const record = place.create("box");
    const first = await place.start(place.order(record));
    await first.report;
    const second = await place.start(place.order(record));
    expect(await second.report.catch((error: unknown) => error)).toMatchObject({ code: "machine.running" });
    expect(inspectMachine(context(), "box").status).toBe("running");
  });
});

test("a throw-away machine has its variables, and none of their values is on the disk", async () => {
  const spec = { ...defaultSpec("gone"), ephemeral: true, memoryMib: 512, env: ["TOKEN=hunter2"] };
  const record = newRecord({ ...spec, cmd: ["sh", "-c", "echo $TOKEN; cat"] }, Date.now());
  makeRoot(place.root("gone"));
  const { report, owner, host } = await place.start(place.order(record));
  const command = new Process(owner.open({ method: "exec", params: { argv: [], stdin: true } }));
  await report;
  await command.started;
  const directory = machineDirectory(place.paths, "gone");
  expect(readFileSync(`${directory}/machine.json`, "utf8")).toContain('"name": "gone"');
  for (const name of readdirSync(directory, { recursive: true, withFileTypes: true }))
    if (name.isFile() && name.name.endsWith(".json"))
      expect(readFileSync(`${name.parentPath}/${name.name}`, "utf8")).not.toContain("hunter2");
  command.end();
  const parts: string[] = [];
  for await (const chunk of command.stdout) parts.push(Buffer.from(chunk).toString());
  expect(parts.join("")).toBe("hunter2\n");
  await host.ended;
});

describe("init commands of a throw-away machine", () => {
  const orderOf = (changes: Partial<MachineSpec>) => {
    const spec = { ...defaultSpec("gone"), ephemeral: true, memoryMib: 512 };
    makeRoot(place.root("gone"));
    return place.order(newRecord({ ...spec, ...changes }, Date.now()));
  };

  test("run before its command, which finds what they have done", async () => {
    const order = orderOf({ init: ["echo each; echo 2 >> /n"], initOnce: ["echo once >&2; echo 1 > /n"] });
    const record = { ...order.record, cmd: ["cat", "/n"] };
    const { report, owner, host, events, output } = await place.start({ ...order, record });
    const command = new Process(owner.open({ method: "exec", params: { argv: [], stdin: false } }));
    const parts: string[] = [];
    for await (const chunk of command.stdout) parts.push(Buffer.from(chunk).toString());
    expect(parts.join("")).toBe("1\n2\n");
    await report;
    expect(output.join("")).toBe("once\neach\n");
    expect(events).toEqual([
      { type: "init", index: 0, count: 2 },
      { type: "init", index: 1, count: 2 },
    ]);
    await host.ended;
  });

  test("that fail end it, and its command says why", async () => {
    const order = orderOf({ init: ["echo no >&2; exit 4"], cmd: ["true"] });
    const { report, owner, host } = await place.start(order);
    const command = new Process(owner.open({ method: "exec", params: { argv: [], stdin: false } }));
    expect(await command.result.catch((error: unknown) => error)).toMatchObject({
      code: "machine.init_failed",
      message: "init[0] failed (exit 4):\nno",
    });
    expect(await report.catch((error: unknown) => error)).toMatchObject({ code: "machine.init_failed" });
    await host.ended;
  });
});

/** A file of another process's: there is no event for it. */
async function until(holds: () => boolean): Promise<void> {
  for (let round = 0; round < 500 && !holds(); round++) await Bun.sleep(10);
}
