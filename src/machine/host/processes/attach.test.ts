import { describe, expect, test } from "bun:test";
import { Channel, type Connection } from "../../../protocol/index.ts";
import { connectionPair } from "../../../protocol/protocol.fixture.ts";
import { Attachment, readProcessLogs } from "./index.ts";
import type { OutputChannel } from "./output-buffer.ts";
import { accept, attach, collect, driven, exit, hostWithAgent, pattern } from "./processes.fixture.ts";

const { stdin, stdout, stderr } = Channel;
const bytes = (text: string) => Buffer.from(text);

/** Resolves once the machine's process has so much output of a channel. */
async function untilWritten(
  process: Awaited<ReturnType<typeof driven>>["process"],
  channel: OutputChannel,
  count: number,
) {
  const reader = process.output.channel(channel).reader(0);
  while (reader.offset < count) await reader.next();
}

describe("attaching", () => {
  test("replays the last output, goes on with what comes, and ends as the process does", async () => {
    const { process, agent, connect, id } = await driven();
    await agent.write(stdout, bytes("before\n"));
    await agent.write(stderr, bytes("warning\n"));
    await untilWritten(process, stdout, 7);
    await untilWritten(process, stderr, 8);
    const client = attach(await connect(), { process: id.slice(0, 4) });
    expect(await client.accepted).toEqual({ id, pid: 7, tty: false, offset: { stdout: 0, stderr: 0 } });
    const output = Promise.all([collect(client, stdout), collect(client, stderr)]);
    await agent.write(stdout, bytes("after\n"));
    exit(agent, 3);
    expect((await output).map(String)).toEqual(["before\nafter\n", "warning\n"]);
    expect(await client.result).toEqual({ exitCode: 3 });
    // It is there for those who come later, too.
    const late = attach(await connect(), { process: id, replay: 7 });
    expect(String(await collect(late, stdout))).toBe("after\n");
    expect(await late.result).toEqual({ exitCode: 3 });
    const quiet = attach(await connect(), { process: id, replay: undefined });
    expect(String(await collect(quiet, stdout))).toBe("");
  });

  test("gives input, its end, signals and sizes to the process", async () => {
    const { agent, connect, id } = await driven();
    const controls: string[] = [];
    agent.onControl = (message) => controls.push(Buffer.from(message).toString("hex"));
    const client = attach(await connect(), { process: id, stdin: true });
    // At once, before the answer.
    client.signal(2);
    client.resize({ columns: 80, rows: 24 });
    await client.write(bytes("hello "));
    await client.write(bytes("there"));
    client.endInput();
    const input: Uint8Array[] = [];
    for await (const chunk of agent.read(stdin)) input.push(chunk);
    expect(Buffer.concat(input).toString()).toBe("hello there");
    expect(controls).toEqual(["0100000102", "02000001500300000118"]);
    exit(agent, 0);
    await client.result;
  });

  test("and going away, in order or not, leaves the process and its input alone", async () => {
    const { table, agent, connect, id } = await driven();
    const first = attach(await connect(), { process: id, stdin: true });
    await first.accepted;
    await first.write(bytes("one "));
    expect(table.list()[0]?.attached).toBe(1);
    first.detach();
    expect(await first.result).toEqual({ detached: true });
    const connection = await connect();
    const second = attach(connection, { process: id, stdin: true });
    await second.accepted;
    await second.write(bytes("two "));
    const input = agent.read(stdin);
    expect(String(Buffer.from((await input.next()).value ?? []))).toStartWith("one ");
    connection.close();
    await expect(second.result).rejects.toThrow();
    const third = attach(await connect(), { process: id, stdin: true });
    await third.write(bytes("three"));
    third.endInput();
    let rest = "";
    for await (const chunk of input) rest += Buffer.from(chunk);
    expect(rest.replaceAll("two ", "")).toBe("three");
    expect(table.list()).toMatchObject([{ id, state: "running", attached: 1 }]);
    exit(agent, 0);
    await third.result;
    expect(table.list()).toMatchObject([{ id, state: "exited", attached: 0 }]);
  });

  test("a message that cannot be ends the attachment with a code, and nothing else", async () => {
    const { table, agent, connect, id } = await driven();
    const connection = await connect();
    const [wrong, right] = [attach(connection, { process: id }), attach(connection, { process: id })];
    await Promise.all([wrong.accepted, right.accepted]);
    wrong.resize({ columns: 80, rows: 65_536 });
    await expect(wrong.result).rejects.toMatchObject({ code: "exec.bad_request" });
    expect(table.list()).toMatchObject([{ id, state: "running" }]);
    exit(agent, 5);
    expect(await right.result).toEqual({ exitCode: 5 });
  });

  test("several clients see the same", async () => {
    const { agent, connect, id } = await driven();
    const clients = [];
    for (let count = 0; count < 5; count++) clients.push(attach(await connect(), { process: id }));
    const outputs = Promise.all(clients.map((client) => collect(client, stdout)));
    for (let at = 0; at < 2_000_000; at += 50_000) await agent.write(stdout, pattern(stdout, at, 50_000));
    exit(agent, 0);
    for (const output of await outputs) expect(output.equals(pattern(stdout, 0, 2_000_000))).toBe(true);
  });

  test("fails for what cannot be", async () => {
    const { connect, id } = await driven();
    const failure = async (request: object) => {
      const connection = await connect();
      const stream = connection.open({ method: "attach", params: request });
      return ((await stream.result.catch((error: unknown) => error)) as { code: string }).code;
    };
    const good = { process: id, stdin: false };
    expect(await failure({ ...good, process: "nope" })).toBe("process.not_found");
    expect(await failure({ ...good, since: { stdout: 1, stderr: 0 } })).toBe("machine.bad_request");
    expect(await failure({ ...good, since: 5 })).toBe("machine.bad_request");
    expect(await failure({ ...good, replay: -1 })).toBe("machine.bad_request");
    expect(await failure({ ...good, process: 5 })).toBe("machine.bad_request");
    expect(await failure({ ...good, hold: true })).toBe("machine.bad_request");
  });

  test("to a machine that ends under it fails with that", async () => {
    const { guest, table, connect, id } = await driven();
    const client = attach(await connect(), { process: id });
    await client.accepted;
    guest.close();
    await expect(client.result).rejects.toMatchObject({ code: "machine.lost" });
    expect(table.list()).toMatchObject([{ id, state: "lost", exitCode: null }]);
  });

  test("tells a lack of memory, and whom it has cost", async () => {
    const { table, agent, connect, id } = await driven();
    const client = attach(await connect(), { process: id });
    await client.accepted;
    const told = new Promise<void>((resolve) => {
      client.onOutOfMemory = resolve;
    });
    table.outOfMemory();
    await told;
    exit(agent, 137);
    await client.result;
    expect(table.list()).toMatchObject([{ exitCode: 137, outOfMemory: true }]);
  });
});

describe("a client that does not read", () => {
  const MIB = 1024 * 1024;

  async function flood(hold: string | undefined, lingerMs?: number) {
    const driver = await driven({ lingerMs });
    const client = attach(await driver.connect(), { process: driver.id, hold });
    await client.accepted;
    let written = 0;
    const flooding = (async () => {
      for (; written < 20 * MIB; written += 65_536)
        await driver.agent.write(stdout, pattern(stdout, written, 65_536));
      exit(driver.agent, 0);
    })();
    return { ...driver, client, flooding, written: () => written };
  }

  test("holds the process back, and loses nothing", async () => {
    const { client, flooding, written } = await flood("mine");
    await Bun.sleep(300);
    // A window on each side, and the buffer between them.
    expect(written()).toBeLessThan(2 * MIB);
    const output = await collect(client, stdout);
    await flooding;
    expect(output.equals(pattern(stdout, 0, 20 * MIB))).toBe(true);
  }, 30_000);

  test("or, when it does not hold, misses what it is too slow for, and is told what", async () => {
    const { client, flooding } = await flood(undefined);
    await flooding;
    let offset = 0;
    let lost = 0;
    client.onLost = (_, count) => {
      offset += count;
      lost += count;
    };
    for await (const chunk of client.read(stdout)) {
      expect(Buffer.compare(chunk, pattern(stdout, offset, chunk.length))).toBe(0);
      offset += chunk.length;
    }
    expect(offset).toBe(20 * MIB);
    expect(lost).toBeGreaterThan(18 * MIB);
    expect(client.consumed?.stdout).toBe(20 * MIB);
    expect(await client.result).toEqual({ exitCode: 0 });
  }, 30_000);

  test("but is gone lets it go on", async () => {
    const { connect, client, flooding, process, id } = await flood("mine", 200);
    const connection = await connect();
    const second = attach(connection, { process: id, hold: "other" });
    await second.accepted;
    client.detach();
    connection.close();
    // The other one may come back, for a while.
    await flooding;
    expect(await process.ended).toMatchObject({ result: { exitCode: 0 } });
  }, 30_000);

  test("and whose connection breaks finds everything when it comes back", async () => {
    const { connect, client, flooding, process, id } = await flood("mine");
    client.detach();
    const connection = await connect();
    const first = attach(connection, { process: id, hold: "mine", replay: undefined });
    const { offset } = await first.accepted;
    connection.close();
    await expect(first.result).rejects.toThrow();
    await Bun.sleep(300);
    expect(process.output.channel(stdout).written - offset.stdout).toBeLessThanOrEqual(512 * 1024);
    const again = attach(await connect(), { process: id, hold: "mine", since: offset });
    let read = offset.stdout;
    for await (const chunk of again.read(stdout)) {
      expect(Buffer.compare(chunk, pattern(stdout, read, chunk.length))).toBe(0);
      read += chunk.length;
    }
    expect(read).toBe(20 * MIB);
    await flooding;
  }, 30_000);

  test("is detached when another one takes over its hold", async () => {
    const { connect, client, flooding, id } = await flood("mine");
    const second = attach(await connect(), { process: id, hold: "mine", since: client.consumed });
    expect(await client.result).toEqual({ detached: true });
    expect((await collect(second, stdout)).length).toBe(20 * MIB);
    await flooding;
  }, 30_000);
});

test("a process that is started for a client is attached to it from its first byte, and ended if it leaves before", async () => {
  const host = await hostWithAgent(async (stream, asked) => {
    stream.onCancel = () => stream.fail({ code: "exec.failed", message: "given up" });
    if (Buffer.from(asked.fields.all(2)[0] ?? []).toString() === "stuck") return;
    accept(stream);
    await stream.write(stdout, bytes("first"));
    exit(stream, 4);
  });
  const connectionTo = async (argv: string[]) => {
    return connectionPair(async (stream) => {
      const attachment = new Attachment(stream);
      try {
        const process = await host.start({ argv, signal: attachment.gone });
        await attachment.attach(process, { since: { stdout: 0, stderr: 0 }, stdin: true });
      } catch (error) {
        stream.fail({ code: (error as { code: string }).code, message: "" });
      }
    });
  };
  const { opener } = await connectionTo(["quick"]);
  const client = attach(opener, { process: "-" });
  expect(String(await collect(client, stdout))).toBe("first");
  expect(await client.result).toEqual({ exitCode: 4 });
  const stuck = attach((await connectionTo(["stuck"])).opener, { process: "-" });
  stuck.detach();
  await expect(stuck.result).rejects.toMatchObject({ code: "exec.failed" });
});

describe("a process's logs", () => {
  async function logsOf(connection: Connection, params: object) {
    let text = "";
    const stream = connection.open({ method: "processLogs", params });
    for await (const { stream: name, bytes } of readProcessLogs(stream))
      text += `${name}:${Buffer.from(bytes)}`;
    expect(await stream.result).toEqual({});
    return text;
  }

  test("have both channels in order, from the last lines on, and what comes", async () => {
    const { process, agent, connect, id } = await driven();
    for (const [channel, text] of [
      [stdout, "a\nb\n"],
      [stderr, "E\n"],
      [stdout, "c\n"],
    ] as const) {
      const { written } = process.output.channel(channel);
      await agent.write(channel, bytes(text));
      await untilWritten(process, channel, written + text.length);
    }
    const connection = await connect();
    expect(await logsOf(connection, { process: id, follow: false })).toBe(
      "stdout:a\nb\nstderr:E\nstdout:c\n",
    );
    expect(await logsOf(connection, { process: id, follow: false, tail: 2 })).toBe("stderr:E\nstdout:c\n");
    const stream = connection.open({ method: "processLogs", params: { process: id, follow: true, tail: 1 } });
    await stream.accepted;
    await agent.write(stdout, Buffer.from([0xff, 0x0a]));
    exit(agent, 0);
    const entries = await Array.fromAsync(readProcessLogs(stream));
    expect(Buffer.concat(entries.map(({ bytes }) => bytes))).toEqual(Buffer.from([0x63, 0x0a, 0xff, 0x0a]));
  });

  test("never hold up the process, and tell what was missed", async () => {
    const { agent, connect, id } = await driven();
    const connection = await connect();
    const stream = connection.open({ method: "processLogs", params: { process: id, follow: true } });
    await stream.accepted;
    for (let at = 0; at < 10_000_000; at += 50_000) await agent.write(stdout, pattern(stdout, at, 50_000));
    exit(agent, 0);
    let missing = 0;
    let read = 0;
    const onNote = (note: string) => {
      missing += Number.parseInt(note, 10);
    };
    for await (const { bytes } of readProcessLogs(stream, { onNote })) read += bytes.length;
    expect(missing + read).toBe(10_000_000);
    expect(missing).toBeGreaterThan(5_000_000);
  }, 30_000);

  test("end when the client has enough", async () => {
    const { connect, id } = await driven();
    const stream = (await connect()).open({ method: "processLogs", params: { process: id, follow: true } });
    await stream.accepted;
    stream.cancel();
    expect(await stream.result).toEqual({});
  });
});
