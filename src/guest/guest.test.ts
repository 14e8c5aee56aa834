import { describe, expect, test } from "bun:test";
import { Channel, FrameType, ProtocolError, StreamFailure } from "../protocol/index.ts";
import { FieldReader, FieldWriter } from "./fields.ts";
import { guestWithAgent, guestWithRawAgent, type RawAgent } from "./guest.fixture.ts";
import type { Guest } from "./index.ts";
import type { AgentStream } from "./link.ts";

const fields = (): FieldWriter => new FieldWriter();
const exec = { argv: ["cat"], env: [], stdin: true };

/** What a request asks for: its verb, and its fields. */
function requestOf(stream: AgentStream): [number, FieldReader] {
  return [stream.request[0] as number, new FieldReader(stream.request.subarray(1), "request")];
}

const texts = (values: readonly Uint8Array[]) => values.map((value) => Buffer.from(value).toString("latin1"));

describe("a process", () => {
  test("its request says everything, bytes included", async () => {
    const asked = Promise.withResolvers<AgentStream>();
    const { guest } = await guestWithAgent(asked.resolve);
    guest.exec({
      root: "main",
      argv: ["/bin/x", "a\udcff", ""],
      env: ["A=é"],
      cwd: "/srv",
      user: "app:staff",
      stdin: true,
      tty: { columns: 300, rows: 24 },
      first: "reaper",
      systemProgram: true,
      rlimits: [{ name: "nofile", soft: 1024, hard: -1 }],
      cgroup: ["pids.max=10"],
    });
    const [verb, request] = requestOf(await asked.promise);
    expect(verb).toBe(1);
    expect(texts(request.all(2))).toEqual(["/bin/x", "a\xff", ""]);
    expect(texts(request.all(3))).toEqual(["A=\xc3\xa9"]);
    expect([request.text(1, 9), request.text(4, 9), request.text(5, 9)]).toEqual([
      "main",
      "/srv",
      "app:staff",
    ]);
    expect([request.int(6), request.int(7), request.int(8)]).toEqual([31, 300, 24]);
    expect(Buffer.from(request.all(9)[0] ?? []).toString("hex")).toBe("070000000000000400ffffffffffffffff");
    expect(texts(request.all(10))).toEqual(["pids.max=10"]);
    guest.close();
  });

  test("runs: input, output, signals, sizes, result", async () => {
    const { guest } = await guestWithAgent(async (stream) => {
      const controls: string[] = [];
      stream.onControl = (message) => controls.push(Buffer.from(message).toString("hex"));
      stream.accept(fields().int(1, 7).finish());
      for await (const chunk of stream.read(Channel.stdin)) await stream.write(Channel.stdout, chunk);
      await stream.write(Channel.stderr, Buffer.from(controls.join()));
      stream.finish(fields().int(1, 3).finish());
    });
    const process = guest.exec(exec);
    expect(await process.accepted).toEqual({ pid: 7 });
    process.signal(15);
    process.resize({ columns: 80, rows: 300 });
    await process.write(Channel.stdin, Buffer.from("hello"));
    process.end(Channel.stdin);
    const [output, errors] = await Promise.all(
      [Channel.stdout, Channel.stderr].map((channel) => collect(process.read(channel))),
    );
    expect(output).toBe("hello");
    expect(errors).toBe("010000010f,020000015003000002012c");
    expect(await process.result).toEqual({ exitCode: 3 });
    guest.close();
  });

  const ends: [fields: Uint8Array, result: unknown][] = [
    [fields().int(2, 9).finish(), { signal: 9 }],
    [fields().int(3, 1).finish(), { halted: "restart" }],
    [fields().int(3, 2).int(200, 1).finish(), { halted: "poweroff" }],
  ];
  for (const [payload, result] of ends) {
    test(`ends: ${JSON.stringify(result)}`, async () => {
      const { guest } = await guestWithAgent((stream) => {
        stream.accept(fields().int(1, 1).finish());
        stream.finish(payload);
      });
      expect(await guest.exec(exec).result).toEqual(result as never);
      guest.close();
    });
  }

  test("cannot start: code, errno, and a message that no terminal obeys", async () => {
    const { guest } = await guestWithAgent((stream) =>
      stream.fail({ code: "exec.not_found", message: "no \u001b[31m\nprogram", errno: 2 }),
    );
    const error = await guest.exec(exec).accepted.catch((e: unknown) => e);
    expect(error).toBeInstanceOf(StreamFailure);
    expect(error).toMatchObject({ code: "exec.not_found", errno: 2, message: "no \ufffd[31m\ufffdprogram" });
    guest.close();
  });

  test("an unknown limit is refused before anything is sent", async () => {
    const { guest, agent } = await guestWithRawAgent();
    const bad = { ...exec, rlimits: [{ name: "colour", soft: 1, hard: 1 }] };
    expect(() => guest.exec(bad)).toThrow(expect.objectContaining({ code: "exec.bad_request" }));
    guest.close();
    await agent.closed;
    expect(agent.frames.map(({ type }) => type)).toEqual([FrameType.hello]);
  });
});

test("the other verbs", async () => {
  const seen: unknown[] = [];
  const { guest } = await guestWithAgent((stream) => {
    const [verb, request] = requestOf(stream);
    if (verb === 2) {
      seen.push([
        request.text(1, 9),
        request.text(2, 9),
        request.all(3).length,
        texts(request.all(4)),
        request.int(5),
        request.text(6, 64),
      ]);
      const note = Buffer.concat([Buffer.from([0, 1]), Buffer.from("skipped\n")]);
      stream.finish(fields().bytes(1, note).finish());
    } else if (verb === 9) {
      seen.push(Buffer.from(request.all(1)[0] ?? []).toString("hex"));
      stream.finish();
    } else if (verb === 8) {
      const disk = Buffer.alloc(16 + 1);
      disk.writeBigUInt64BE(100n);
      disk.writeBigUInt64BE(40n, 8);
      disk.write("/", 16);
      stream.event(fields().int(1, 1).int(2, 3).finish());
      stream.event(fields().int(1, 77).finish());
      const figures = fields().int(1, 2).int(3, 10).int(4, 9).int(5, 8).int(6, 7).int(7, 6).bytes(8, disk);
      stream.event(figures.finish());
      stream.onCancel = () => stream.finish();
    } else {
      stream.finish();
    }
  });
  const steps = [
    { kind: "mkdir", path: "/a" },
    { kind: "enter", path: "/a" },
  ] as const;
  const root = {
    name: "main",
    hostname: "box",
    steps,
    cgroup: ["pids.max=9"],
    reservedBytes: 1000,
    home: "init",
  };
  expect(await guest.root(root)).toEqual([{ step: 1, text: "skipped\ufffd" }]);
  await guest.clock(1_700_000_000_000_000_000n);
  expect(seen[0]).toEqual(["main", "box", 2, ["pids.max=9"], 1000, "init"]);
  expect(BigInt(`0x${seen[1]}`)).toBe(1_700_000_000_000_000_000n);
  const events: unknown[] = [];
  const watch = guest.watch({ root: "main", everyMs: 1000, filesystems: ["/"] }, (event) => {
    events.push(event);
    if (events.length === 2) watch.cancel();
  });
  await watch.ended;
  expect(events).toEqual([
    { kind: "out_of_memory", count: 3 },
    {
      kind: "figures",
      memoryBytes: 10,
      availableBytes: 9,
      root: { memoryBytes: 8, processorMicroseconds: 7, processes: 6 },
      filesystems: [{ path: "/", bytes: 100, freeBytes: 40 }],
    },
  ]);
  expect(await guest.steps("main", steps)).toEqual([]);
  await guest.drop("main");
  await guest.shutdown();
  guest.close();
});

test("sockets: connect, listen, take", async () => {
  const { guest } = await guestWithAgent(async (stream) => {
    const [verb, request] = requestOf(stream);
    stream.accept();
    if (verb === 6) {
      expect([request.text(2, 99), request.int(5), request.int(6), request.int(7)]).toEqual([
        "/run/s",
        0o600,
        1,
        2,
      ]);
      stream.onCancel = () => stream.finish();
      stream.event(fields().int(1, 12).finish());
      return;
    }
    const what = verb === 5 ? `${request.int(3)} ${request.text(4, 99)}` : `taken ${request.int(1)}`;
    await stream.write(0, Buffer.from(`${what}: `));
    for await (const chunk of stream.read(0)) await stream.write(0, chunk);
    stream.end(0);
    stream.finish();
  });
  const talk = async (socket: ReturnType<Guest["connect"]>) => {
    await socket.connected;
    await socket.write(Buffer.from("ping"));
    socket.end();
    const answer = await collect(socket.read());
    await socket.ended;
    return answer;
  };
  expect(await talk(guest.connect({ root: "main", port: 80, address: "::1" }))).toBe("80 ::1: ping");
  const came = Promise.withResolvers<number>();
  const address = { root: "main", path: "/run/s", mode: 0o600, uid: 1, gid: 2 };
  const listener = guest.listen(address, came.resolve);
  await listener.listening;
  expect(await talk(guest.take(await came.promise))).toBe("taken 12: ping");
  listener.cancel();
  await listener.ended;
  guest.close();
});

test("everything may be asked for before the hello, and comes in order", async () => {
  const { guest, agent } = await guestWithRawAgent();
  void guest.clock(1n).catch(() => {});
  void guest.root({ name: "main", hostname: "h", steps: [] }).catch(() => {});
  guest.exec(exec);
  agent.greet();
  expect(await guest.hello).toEqual({
    protocol: 3,
    initMs: 400,
    helloMs: 450,
    memoryBytes: 500_000_000,
    kernel: "6.12.0",
  });
  guest.close();
  await agent.closed;
  expect(agent.frames.map(({ type, payload }) => [type, payload[0]])).toEqual([
    [FrameType.hello, 1],
    [FrameType.open, 9],
    [FrameType.open, 2],
    [FrameType.open, 1],
  ]);
});

describe("a hostile agent: the connection ends with the reason", () => {
  const cases: [name: string, attack: (agent: RawAgent) => void, message: RegExp][] = [
    ["JSON for a hello", (a) => a.json(FrameType.hello, 0, { protocol: 2 }), /malformed hello/],
    ["an old protocol", (a) => a.say(FrameType.hello, 0, (f) => f.int(1, 1)), /speaks protocol 1/],
    ["a hello without its times", (a) => a.say(FrameType.hello, 0, (f) => f.int(1, 3)), /no field 2/],
    [
      "a boot that took a century",
      (a) => a.say(FrameType.hello, 0, (f) => f.int(1, 3).int(2, 3e12).int(3, 3e12)),
      /at most/,
    ],
    ["an accept without a pid", (a) => [a.greet(), a.say(FrameType.accept, 1)], /no field 1/],
    [
      "a result without an accept",
      (a) => [a.greet(), a.say(FrameType.result, 1, (f) => f.int(1, 0))],
      /without accept/,
    ],
    ["an exit code of 256", (a) => result(a, (f) => f.int(1, 256)), /at most 255/],
    ["no end at all", (a) => result(a, () => {}), /not one of the three/],
    ["two ends at once", (a) => result(a, (f) => f.int(1, 0).int(2, 9)), /not one of the three/],
    ["no way to halt", (a) => result(a, (f) => f.int(3, 0)), /no way to halt/],
    [
      "a failure without a code",
      (a) => [a.greet(), a.say(FrameType.fail, 1, (f) => f.text(2, "x"))],
      /no field 1/,
    ],
    [
      "a code that is none",
      (a) => [a.greet(), a.say(FrameType.fail, 1, (f) => f.text(1, "\u001b[2J").text(2, "x"))],
      /its code is none/,
    ],
    [
      "an endless message",
      (a) => [a.greet(), a.say(FrameType.fail, 1, (f) => f.text(1, "a.b").text(2, "x".repeat(5000)))],
      /at most 4096/,
    ],
    ["an event without a kind", (a) => [a.greet(), a.say(FrameType.event, 2)], /malformed event of watch/],
    [
      "a disk without a size",
      (a) => [
        a.greet(),
        a.say(FrameType.event, 2, (f) =>
          f.int(1, 2).int(3, 1).int(4, 1).int(5, 1).int(6, 1).int(7, 1).text(8, "/"),
        ),
      ],
      /too short/,
    ],
    [
      "a disk larger than numbers",
      (a) => [
        a.greet(),
        a.say(FrameType.event, 2, (f) =>
          f.int(1, 2).int(3, 1).int(4, 1).int(5, 1).int(6, 1).int(7, 1).bytes(8, Buffer.alloc(16, 255)),
        ),
      ],
      /a size/,
    ],
    [
      "a note without a number",
      (a) => [a.greet(), a.say(FrameType.result, 3, (f) => f.text(1, "x"))],
      /too short/,
    ],
  ];
  const result = (agent: RawAgent, fill: (fields: FieldWriter) => unknown) => {
    agent.greet();
    agent.say(FrameType.accept, 1, (f) => f.int(1, 1));
    agent.say(FrameType.result, 1, fill);
  };
  for (const [name, attack, message] of cases) {
    test(name, async () => {
      const { guest, agent } = await guestWithRawAgent();
      const process = guest.exec(exec);
      guest.watch({ root: "main" }, () => {});
      const made = guest.root({ name: "main", hostname: "h", steps: [] });
      made.catch(() => {});
      attack(agent);
      const error = await guest.closed;
      expect(error).toBeInstanceOf(ProtocolError);
      expect(error?.message).toMatch(message);
      await Promise.allSettled([process.accepted, process.result]);
      expect(await made.catch((e: Error) => e)).toBeInstanceOf(Error);
      await agent.closed;
    });
  }
});

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts).toString();
}
