import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import type { Machine } from "../client/connect.ts";
import { inspectMachine } from "../client/info.ts";
import { observeMachine } from "../client/observe.ts";
import { attachProcess, killProcess, listProcesses, processLog, startDetached } from "../client/processes.ts";
import { stopMachine } from "../client/stop.ts";
import { waitForMachine } from "../client/wait.ts";
import type { MachineSpec } from "../model/index.ts";
import { machineDirectory } from "../store/index.ts";
import { TestPlace } from "./host.fixture.ts";
import { ManualClock } from "./supervise/clock.fixture.ts";

let place: TestPlace;
let clock: ManualClock;
beforeEach(() => {
  place = new TestPlace();
  clock = new ManualClock();
});
afterEach(() => place.remove());

const context = () => ({ paths: place.paths, environment: {}, note: () => {} });
const never: MachineSpec["restart"] = { policy: "never", maxRetries: 0, maxBackoffMs: 300_000 };

async function start(changes: Partial<MachineSpec>) {
  const record = place.create("box", changes);
  const started = await place.start(place.order(record), { clock });
  await started.report;
  return started;
}

async function text(output: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const chunk of output) parts.push(chunk);
  return Buffer.concat(parts).toString();
}

async function run(machine: Machine, ...argv: string[]): Promise<string> {
  return await text(machine.exec({ argv, stdin: false }).stdout);
}

/** What the machine's process has written about itself: no event tells of that. */
async function until(holds: () => boolean): Promise<void> {
  for (let round = 0; round < 1000 && !holds(); round++) await Bun.sleep(10);
  if (!holds()) throw new Error(`this did not happen: ${holds}; the state is ${JSON.stringify(state())}`);
}

const state = () => place.state("box");

function linesOf(name: string): number {
  const path = `${place.root("box")}/${name}`;
  return existsSync(path) ? readFileSync(path, "utf8").trim().split("\n").length : 0;
}

describe("restarts", () => {
  test("a workload that fails is started again, as often as its policy says", async () => {
    const { host } = await start({
      cmd: ["sh", "-c", "echo x >> /runs; exit 3"],
      restart: { policy: "on-failure", maxRetries: 2, maxBackoffMs: 300_000 },
    });
    // A run may be in the state before it has written its line, and after.
    let before: number | undefined;
    const ended = async (runs: number) => {
      const isNew = () => state()?.workload?.startedAt !== before && state()?.workload?.end !== null;
      await until(() => linesOf("runs") === runs && isNew());
      before = state()?.workload?.startedAt;
    };
    await ended(1);
    await clock.advance(1000);
    await ended(2);
    await clock.advance(2000);
    await ended(3);
    // Longer than the next pause would be, and too short for the agent to seem lost while no real time goes by.
    await clock.advance(10_000);
    expect(state()).toMatchObject({ restarts: 2, phase: "running" });
    expect(await Bun.file(`${place.root("box")}/runs`).text()).toBe("x\nx\nx\n");
    expect(await waitForMachine(context(), "box")).toMatchObject({ exitCode: 3 });
    await host.end("now");
  });

  test("a lost machine is booted again, with its files, and serves clients again", async () => {
    const started = await start({
      cmd: ["sh", "-c", "echo x >> /runs; exec sleep 1000"],
      restart: { ...never, policy: "on-failure" },
      init: ["echo up >> /ups"],
    });
    await until(() => linesOf("runs") === 1);
    started.pullThePlug();
    await until(() => state()?.phase === "starting");
    // Nothing of it runs meanwhile, and nothing is said to.
    expect(state()).toMatchObject({
      vmmPid: null,
      workload: { end: { exitCode: null, signal: null } },
      reason: expect.stringContaining("the VM has ended"),
    });
    await clock.advance(1000);
    await until(() => state()?.phase === "running" && state()?.restarts === 1);
    const machine = await place.connect("box");
    expect(await run(machine, "cat", "/ups")).toBe("up\nup\n");
    // One workload was lost, and one is started.
    await until(() => linesOf("runs") === 2);
    await clock.advance(10_000);
    expect(state()).toMatchObject({ restarts: 1, workload: { end: null } });
    expect(linesOf("runs")).toBe(2);
    machine.close();
    await started.host.end("now");
    expect(inspectMachine(context(), "box").status).toBe("stopped");
  });

  test("a lost machine whose policy is never has failed, and says why", async () => {
    const started = await start({});
    started.pullThePlug();
    await started.host.ended;
    expect(inspectMachine(context(), "box")).toMatchObject({
      status: "failed",
      reason: expect.stringContaining("the restart policy is never"),
    });
  });

  test("what a user stops stays stopped", async () => {
    const { host } = await start({ cmd: ["sleep", "1000"], restart: { ...never, policy: "always" } });
    await host.end("gracefully");
    await clock.advance(600_000);
    expect(state()).toMatchObject({ phase: "stopped", restarts: 0, workload: { end: { signal: 15 } } });
  });
});

test("a machine that is stopped while its init commands run is stopped in order, and its start says so", async () => {
  const record = place.create("box", { init: ["echo up >> /ups; exec sleep 1000"] });
  const { report, owner } = await place.start(place.order(record), { clock });
  await until(() => linesOf("ups") === 1);
  expect(await stopMachine(context(), "box")).toMatchObject({ stopped: true });
  expect(await report.catch((error: unknown) => error)).toMatchObject({ code: "machine.stopped" });
  owner.close();
  expect(inspectMachine(context(), "box")).toMatchObject({ status: "stopped", reason: "" });
});

describe("health", () => {
  const health = {
    command: ["sh", "-c", "test -e /well"],
    intervalMs: 1000,
    timeoutMs: 5000,
    retries: 2,
    startupGraceMs: 0,
  };

  test("a machine that is not well is marked, and started again when its policy says so", async () => {
    const { host } = await start({ cmd: ["sleep", "1000"], health, restart: { ...never, policy: "always" } });
    const machine = await place.connect("box");
    const events: string[] = [];
    const observed = observeMachine(machine, {});
    await observed.started;
    const listening = (async () => {
      for await (const event of observed.events) events.push(event.type);
    })();
    await run(machine, "touch", "/well");
    await clock.advance(1000);
    await until(() => state()?.health?.status === "healthy");
    await run(machine, "rm", "/well");
    await clock.advance(1000);
    await until(() => state()?.health?.failures === 1);
    await clock.advance(1000);
    await until(() => events.includes("restarting"));
    await clock.advance(1000);
    await until(() => events.includes("started"));
    expect(state()).toMatchObject({ restarts: 1, phase: "running" });
    await host.end("now");
    await listening;
    // That its workload was stopped for this is no news, and no reason to start another one.
    expect(events.filter((type) => type !== "health")).toEqual(["ended", "restarting", "started"]);
  });

  test("a check that runs while the machine is ended for its health is not counted", async () => {
    // The first check fails; those after it hang, and would be ended with everything else.
    const command = ["sh", "-c", "test -e /asked && exec sleep 1000; touch /asked; exit 1"];
    const { host } = await start({
      cmd: ["sh", "-c", "trap 'sleep 0.2; exit' TERM; sleep 1000 & wait"],
      health: { ...health, command, retries: 1 },
      restart: { ...never, policy: "always" },
    });
    const machine = await place.connect("box");
    const events: string[] = [];
    const observed = observeMachine(machine, {});
    await observed.started;
    const listening = (async () => {
      for await (const event of observed.events)
        events.push(event.type === "health" ? `health: ${event.failures}` : event.type);
    })();
    await clock.advance(1000);
    await until(() => events.includes("restarting"));
    await clock.advance(1000);
    await until(() => events.includes("started"));
    await host.end("now");
    await listening;
    expect(events).toEqual(["health: 1", "ended", "restarting", "started"]);
  });

  test("who supervises may ask another question, for as long as it listens", async () => {
    const { host } = await start({ cmd: ["sleep", "1000"] });
    const machine = await place.connect("box");
    const gone = new AbortController();
    const observed = observeMachine(machine, { health: { ...health, command: ["true"] } }, gone.signal);
    await observed.started;
    await clock.advance(1000);
    await until(() => state()?.health?.status === "healthy");
    gone.abort();
    machine.close();
    await host.end("now");
  });
});

describe("the end by itself", () => {
  test("comes when the time to live is over", async () => {
    const { host } = await start({ ttlMs: 60_000 });
    expect(state()?.ttlAt).toBe(clock.date() + 60_000);
    await clock.advance(60_000);
    await host.ended;
    expect(inspectMachine(context(), "box")).toMatchObject({
      status: "stopped",
      reason: "its time to live was over",
    });
  });

  test("waits for commands that have no client any more", async () => {
    const { host } = await start({ idleTimeoutMs: 10_000 });
    const machine = await place.connect("box");
    const { id } = await startDetached(machine, { argv: ["sleep", "1000"], stdin: false });
    await clock.advance(60_000);
    expect(state()).toMatchObject({ phase: "running", idleAt: null });
    await killProcess(machine, id, 9);
    machine.close();
    await until(() => state()?.idleAt !== null);
    await clock.advance(10_000);
    await host.ended;
    expect(state()).toMatchObject({ phase: "stopped", reason: "nobody used it" });
  });

  test("waits for commands, and may be the end of everything", async () => {
    const { host } = await start({ idleTimeoutMs: 10_000, onTimeout: "delete" });
    const machine = await place.connect("box");
    const sleeping = machine.exec({ argv: ["cat"], stdin: true });
    await sleeping.started;
    await clock.advance(60_000);
    expect(state()).toMatchObject({ phase: "running", idleAt: null });
    sleeping.end();
    await sleeping.result;
    machine.close();
    await until(() => state()?.idleAt !== null);
    await clock.advance(10_000);
    await host.ended;
    expect(existsSync(machineDirectory(place.paths, "box"))).toBe(false);
  });
});

describe("processes that outlive their clients", () => {
  test("are listed, followed, read and killed", async () => {
    const { host } = await start({ cmd: ["sh", "-c", "echo workload; sleep 1000"] });
    const first = await place.connect("box");
    const { id } = await startDetached(first, {
      argv: ["sh", "-c", "echo one; read line; echo got $line; sleep 1000"],
      stdin: true,
    });
    first.close();
    const machine = await place.connect("box");
    expect((await listProcesses(machine)).map(({ name, state }) => [name, state])).toEqual([
      [null, "running"],
      ["workload", "running"],
    ]);
    const attached = attachProcess(machine, { process: id.slice(0, 6), replay: 1000, stdin: true });
    await attached.write(Buffer.from("me\n"));
    let seen = "";
    for await (const chunk of attached.stdout) {
      seen += Buffer.from(chunk);
      if (seen.includes("got")) break;
    }
    expect(seen).toBe("one\ngot me\n");
    attached.kill();
    await killProcess(machine, id, 9);
    const lines: string[] = [];
    for await (const { bytes } of processLog(machine, id, { follow: true }))
      lines.push(Buffer.from(bytes).toString());
    expect(lines.join("")).toBe("one\ngot me\n");
    await expect(killProcess(machine, id, 9)).rejects.toMatchObject({ code: "process.ended" });
    await expect(killProcess(machine, "none", 9)).rejects.toMatchObject({ code: "process.not_found" });
    expect((await listProcesses(machine))[0]).toMatchObject({ state: "exited", signal: 9 });
    machine.close();
    await host.end("now");
  });
});
