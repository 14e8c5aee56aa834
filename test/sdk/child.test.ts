import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import {
  Channel,
  Connection,
  encodeFrame,
  encodeJson,
  FrameType,
  jsonCodec,
  PipeTransport,
  type Stream,
} from "../../src/protocol/index.ts";
import { useMachines } from "../support/machines.ts";
import { program, slowness } from "../support/program.ts";

setDefaultTimeout(120_000 * slowness);

/** `smolvm __sdk` by the words of docs/sdk-protocol.md, as a client of any language speaks them. */

const machines = useMachines();

type Started = ChildProcessByStdio<Writable, Readable, Readable>;
const started: Started[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
});

function start(): { child: Started; exited: Promise<number | null> } {
  const child = spawn(program, ["__sdk"], { env: machines.env, stdio: ["pipe", "pipe", "pipe"] });
  started.push(child);
  return { child, exited: new Promise((resolve) => child.once("exit", (code) => resolve(code))) };
}

function connect() {
  const { child, exited } = start();
  const connection = new Connection(new PipeTransport(child.stdout, child.stdin), {
    codec: jsonCodec("test"),
  });
  const ask = (method: string, params?: unknown) => connection.open({ method, params });
  return { connection, ask, exited };
}

const failing = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: { code?: string }) => error.code,
  );

async function textOf(stream: Stream, channel: number = Channel.stdout): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const chunk of stream.read(channel)) parts.push(chunk.slice());
  return Buffer.concat(parts).toString();
}

test("it ends, with 0, when its client closes the pipe", async () => {
  const { child, exited } = start();
  child.stdin.end();
  expect(await exited).toBe(0);
});

test("a client that speaks another protocol, or none, is left", async () => {
  for (const first of [
    encodeFrame(FrameType.hello, 0, encodeJson({ protocol: 99, oldest: 99, version: "9.0.0" })),
    encodeFrame(FrameType.open, 1, encodeJson({ method: "checkHost" })),
    Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
  ]) {
    const { child, exited } = start();
    child.stdin.on("error", () => {});
    child.stdin.write(first);
    expect(await exited).toBe(0);
  }
});

test("what is asked for wrongly is refused with a code, and nothing else is disturbed", async () => {
  const { ask, connection, exited } = connect();
  const wrong: readonly [string, unknown, string][] = [
    ["no_such_method", {}, "machine.unsupported"],
    ["constructor", {}, "machine.unsupported"],
    ["api", { operation: "no_such_operation" }, "machine.unsupported"],
    ["api", { operation: "writeFile", name: "a" }, "machine.unsupported"],
    ["api", {}, "sdk.bad_request"],
    ["api", { operation: "getMachine", name: "nobody" }, "machine.not_found"],
    ["api", { operation: "getMachine", name: "../../etc" }, "machine.bad_name"],
    ["create", { machine: { cpus: "many" } }, "sdk.bad_request"],
    ["create", { machine: { no_such_field: 1 } }, "sdk.bad_request"],
    ["create", { machine: {}, owner: "nobody" }, "sdk.bad_request"],
    ["start", undefined, "sdk.bad_request"],
    ["start", { name: "a/b" }, "sdk.bad_request"],
    ["exec", { name: "nobody", argv: ["true"], stdin: false }, "machine.not_found"],
    ["exec", { name: "nobody", argv: "true", stdin: false }, "sdk.bad_request"],
    ["machine", { name: "nobody", method: "start" }, "machine.unsupported"],
    ["copyIn", { name: "nobody", path: "/x", hostPath: "relative" }, "sdk.bad_request"],
    ["logs", { name: "nobody" }, "machine.not_found"],
  ];
  const codes = await Promise.all(wrong.map(([method, params]) => failing(ask(method, params).result)));
  expect(codes).toEqual(wrong.map(([, , code]) => code));
  expect(await ask("checkHost").result).toMatchObject({ ok: true });
  connection.close();
  expect(await exited).toBe(0);
});

test("commands, files and the log by way of it, for clients that open no sockets", async () => {
  const { ask, connection, exited } = connect();
  const create = ask("create", {
    machine: {
      name: "relayed",
      cpus: 1,
      memoryMb: 256,
      cmd: ["sh", "-c", "echo out; echo err >&2; sleep 1d"],
    },
    owner: "delete",
  });
  expect(JSON.parse(await textOf(create))).toMatchObject({ created: true, machine: { name: "relayed" } });
  const begun = ask("start", { name: "relayed" });
  const events: unknown[] = [];
  begun.onEvent = (event) => events.push(event);
  expect(JSON.parse(await textOf(begun))).toMatchObject({ state: "running" });
  expect(events).toContainEqual({ type: "boot" });

  const cat = ask("exec", { name: "relayed", argv: ["sh", "-c", "cat; exit 5"], stdin: true });
  expect(await cat.accepted).toMatchObject({ pid: expect.any(Number) });
  // More than a window, there and back.
  const large = Buffer.alloc(700_000, "smolvm ");
  void cat.write(Channel.stdin, large).then(() => cat.end(Channel.stdin));
  expect(await textOf(cat)).toBe(large.toString());
  expect(await cat.result).toEqual({ exitCode: 5 });

  const sleep = ask("exec", { name: "relayed", argv: ["sleep", "1000"], stdin: false });
  await sleep.accepted;
  sleep.control({ type: "signal", signal: 15 });
  expect(await sleep.result).toEqual({ signal: 15 });

  const copy = ask("copyIn", { name: "relayed", path: "/root/file" });
  await copy.write(Channel.stdin, Buffer.from("content"));
  copy.end(Channel.stdin);
  expect(await copy.result).toMatchObject({ bytes: 7 });
  expect(await textOf(ask("copyOut", { name: "relayed", path: "/root/file" }))).toBe("content");

  const lines = (await textOf(ask("logs", { name: "relayed" }))).trim().split("\n");
  expect(lines.map((line) => JSON.parse(line)).map(({ stream, text }) => [stream, text.trim()])).toEqual(
    expect.arrayContaining([
      ["stdout", "out"],
      ["stderr", "err"],
    ]),
  );
  const follow = ask("logs", { name: "relayed", follow: true });
  follow.cancel();
  await failing(follow.result);
  connection.close();
  expect(await exited).toBe(0);
  await machines.expectNothingLeft();
});
