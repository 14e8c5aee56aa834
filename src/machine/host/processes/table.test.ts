import { describe, expect, test } from "bun:test";
import { Channel } from "../../../protocol/index.ts";
import { type Agent, fields } from "../../machine.fixture.ts";
import { accept, attach, die, exit, hostWithAgent } from "./processes.fixture.ts";

const { stdout } = Channel;

/** A host whose processes run until the test ends them; `agents` are their streams, in order. */
async function hostOfMany(options: Parameters<typeof hostWithAgent>[1] = {}) {
  const agents: Agent[] = [];
  const host = await hostWithAgent((stream) => {
    agents.push(stream);
    accept(stream);
  }, options);
  return { ...host, agents };
}

test("a process is listed with what it is and how it ended, the latest first", async () => {
  let now = 1000;
  const { table, start, agents } = await hostOfMany({ now: () => now });
  const first = await start({ argv: ["sleep", "1"], user: "app", name: "workload" });
  const second = await start({ tty: { columns: 80, rows: 24 } });
  expect(first.about.id).toMatch(/^[0-9a-f]{12}$/);
  now = 2000;
  await agents[0]?.write(stdout, Buffer.from("hello"));
  exit(agents[0] as Agent, 3);
  die(agents[1] as Agent, 15);
  await Promise.all([first.ended, second.ended]);
  expect(table.list()).toEqual([
    {
      ...{
        id: second.about.id,
        name: null,
        argv: ["program"],
        user: "",
        tty: true,
        stdin: false,
        pid: 7,
        startedAt: 1000,
      },
      ...{ state: "exited", endedAt: 2000, exitCode: null, signal: 15, outOfMemory: false, attached: 0 },
      written: { stdout: 0, stderr: 0 },
    },
    {
      ...{
        id: first.about.id,
        name: "workload",
        argv: ["sleep", "1"],
        user: "app",
        tty: false,
        stdin: false,
        pid: 7,
      },
      ...{ startedAt: 1000, state: "exited", endedAt: 2000, exitCode: 3, signal: null, outOfMemory: false },
      ...{ attached: 0, written: { stdout: 5, stderr: 0 } },
    },
  ]);
});

test("is found by its id, the start of it, or its name, of which the latest is meant", async () => {
  const { table, start } = await hostOfMany();
  const processes = [];
  for (let count = 0; count < 17; count++)
    processes.push(await start({ name: count < 2 ? "workload" : undefined }));
  for (const process of processes) {
    expect(table.find(process.about.id)).toBe(process);
    expect(table.find(process.about.id.slice(0, 11))).toBe(process);
  }
  expect(table.find("workload")).toBe(processes[1] as (typeof processes)[number]);
  // Seventeen ids have sixteen first digits.
  const digits = processes.map(({ about }) => about.id[0] as string);
  const twice = digits.find((digit, at) => digits.indexOf(digit) !== at) as string;
  expect(() => table.find(twice)).toThrow(expect.objectContaining({ code: "process.ambiguous" }));
  for (const text of ["", "nope", "workloa"])
    expect(() => table.find(text)).toThrow(expect.objectContaining({ code: "process.not_found" }));
});

test("signals go to it until it has ended", async () => {
  const { table, start, agents } = await hostOfMany();
  const process = await start();
  const signals: string[] = [];
  const agent = agents[0] as Agent;
  agent.onControl = (message) => {
    signals.push(Buffer.from(message).toString("hex"));
    die(agent, 10);
  };
  table.kill(process.about.id.slice(0, 6), 10);
  await process.ended;
  expect(signals).toEqual(["010000010a"]);
  expect(() => table.kill(process.about.id, 10)).toThrow(expect.objectContaining({ code: "process.ended" }));
});

describe("lack of memory", () => {
  test("is said of a process that was killed while it ran, and of no other", async () => {
    const { table, start, agents } = await hostOfMany();
    const ends: [number, (stream: Agent) => void][] = [
      [0, (stream) => die(stream, 9)],
      [1, (stream) => exit(stream, 137)],
      [2, (stream) => exit(stream, 1)],
      [3, (stream) => die(stream, 15)],
    ];
    const early = await start();
    die(agents[0] as Agent, 9);
    await early.ended;
    const processes = [];
    for (const _ of ends) processes.push(await start());
    table.outOfMemory();
    for (const [at, end] of ends) end(agents[at + 1] as Agent);
    await Promise.all(processes.map(({ ended }) => ended));
    expect(table.list().map(({ outOfMemory }) => outOfMemory)).toEqual([false, false, true, true, false]);
  });
});

describe("processes that have ended", () => {
  test("are kept for a while: the last ones, for an hour", async () => {
    let now = 0;
    const { table, start, agents } = await hostOfMany({ now: () => now });
    for (let count = 0; count < 70; count++) {
      now += 1000;
      const process = await start({ argv: [`${count}`] });
      exit(agents[count] as Agent, 0);
      await process.ended;
    }
    expect(table.list().map(({ argv }) => argv[0])).toEqual(
      Array.from({ length: 64 }, (_, at) => `${69 - at}`),
    );
    now = 3_600_000 + 68_500;
    expect(table.list().map(({ argv }) => argv[0])).toEqual(["69", "68"]);
    now += 2000;
    expect(table.list()).toEqual([]);
  });

  test("keep 16 MiB of output together", async () => {
    const { table, start, agents } = await hostOfMany();
    for (let count = 0; count < 40; count++) {
      const process = await start({ argv: [`${count}`] });
      await agents[count]?.write(stdout, new Uint8Array(600_000));
      exit(agents[count] as Agent, 0);
      await process.drained;
    }
    expect(table.list().length).toBe(32);
    expect(table.list()[0]?.argv).toEqual(["39"]);
  }, 30_000);

  test("stay as long as somebody is attached to them", async () => {
    let now = 0;
    const { table, start, agents, connect } = await hostOfMany({ now: () => now });
    const process = await start();
    await agents[0]?.write(stdout, new Uint8Array(1_000_000));
    const client = attach(await connect(), { process: process.about.id, hold: "mine" });
    await client.accepted;
    exit(agents[0] as Agent, 0);
    await process.ended;
    now = 10_000_000;
    expect(table.list().length).toBe(1);
    for await (const _ of client.read(stdout));
    await client.result;
    expect(table.list()).toEqual([]);
  });
});

describe("a process that cannot be started", () => {
  test("leaves nothing behind", async () => {
    const { table, start } = await hostWithAgent((stream) =>
      stream.fail({ code: "exec.not_found", message: "program: not found" }),
    );
    await expect(start()).rejects.toMatchObject({ code: "exec.not_found" });
    expect(table.list()).toEqual([]);
  });

  test("because there are too many: says so, and one more is possible when one has ended", async () => {
    const { start, agents } = await hostOfMany();
    const all = await Promise.all(Array.from({ length: 256 }, () => start()));
    await expect(start()).rejects.toMatchObject({ code: "process.too_many" });
    exit(agents[17] as Agent, 0);
    await Promise.race(all.map(({ ended }) => ended));
    await start();
  });

  test("because its root was made again: is started in that one", async () => {
    let asked = 0;
    const { start } = await hostWithAgent((stream) => {
      asked += 1;
      if (asked === 1) stream.fail({ code: "exec.no_root", message: "not made" });
      else accept(stream);
    });
    await start();
    expect(asked).toBe(2);
  });
});

test("all output goes to the tee first, which may hold it up", async () => {
  const { start, agents } = await hostOfMany();
  const seen: string[] = [];
  const gate = Promise.withResolvers<void>();
  const process = await start({
    tee: async (channel, bytes) => {
      seen.push(`${channel} ${Buffer.from(bytes)}`);
      await gate.promise;
    },
  });
  await agents[0]?.write(Channel.stderr, Buffer.from("one"));
  const reader = process.output.channel(Channel.stderr).reader(0);
  const piece = reader.next();
  while (seen.length === 0) await Bun.sleep(0);
  expect(process.output.size).toBe(0);
  gate.resolve();
  expect(Buffer.from((await piece)?.bytes ?? []).toString()).toBe("one");
  expect(seen).toEqual(["2 one"]);
});

test("a guest that breaks the protocol loses its processes, and the host says why", async () => {
  const { table, start, agents } = await hostOfMany();
  const process = await start();
  agents[0]?.finish(fields().int(1, 999).finish());
  const { result } = await process.ended;
  expect(result).toMatchObject({
    code: "machine.lost",
    message: expect.stringContaining("broke the protocol"),
  });
  expect(table.list()).toMatchObject([{ state: "lost", exitCode: null, signal: null }]);
});
