import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readdirSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { useMachines } from "../support/machines.ts";
import { slowness } from "../support/program.ts";
import { Api } from "./api.ts";

/** Clients whose bodies come slowly or never end, and WebSocket frames that are none (RFC 6455). */
setDefaultTimeout(90_000 * slowness);

let api: Api;

// Before what looks whether anything is left.
afterAll(async () => {
  await api.stop();
});

const home = useMachines();
const BOX = "/api/v1/machines/box";

beforeAll(async () => {
  api = await Api.start(home);
  await api.ask("POST", "/api/v1/machines", { json: { name: "box", cpus: 1, memoryMb: 256 } });
  await api.ask("POST", `${BOX}/start`);
}, 90_000 * slowness);

/** A connection to the server, and all that comes out of it. */
class Raw {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  #got = "";
  #more = Promise.withResolvers<void>();

  constructor() {
    this.socket = connect({ port: Number(new URL(api.url).port), host: "127.0.0.1" });
    this.socket.on("data", (data) => {
      this.#got += data.toString("latin1");
      this.#more.resolve();
    });
    this.socket.on("error", () => {});
    this.closed = new Promise((resolve) => this.socket.once("close", () => resolve()));
    this.closed.then(() => this.#more.resolve());
  }

  /** Waits for the first of these words. @throws Error when the connection ends before they came */
  async until(text: string): Promise<void> {
    while (!this.#got.includes(text)) {
      if (this.socket.destroyed) throw new Error(`closed after ${JSON.stringify(this.#got)}`);
      this.#more = Promise.withResolvers();
      await this.#more.promise;
    }
  }

  get got(): string {
    return this.#got;
  }
}

const exec = async (...command: string[]) =>
  (await api.ask("POST", `${BOX}/exec`, { json: { command } })).stdout as string;

test("a file that comes in a byte at a time holds up nobody, and appears when it is complete", async () => {
  const raw = new Raw();
  const PARTS = 40;
  raw.socket.write(
    `PUT ${BOX}/files/root/slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${PARTS}\r\n\r\n`,
  );
  for (let sent = 0; sent < PARTS; sent++) {
    raw.socket.write("x");
    // An answer to something else, between each two bytes.
    if (sent % 8 === 0) expect(await exec("ls", "/root")).toBe("");
    else await api.ask("GET", "/health");
  }
  await raw.until('"size":40');
  raw.socket.destroy();
  expect(await exec("cat", "/root/slow")).toBe("x".repeat(PARTS));
});

test("of a file whose sender goes away in the middle nothing stays", async () => {
  const raw = new Raw();
  raw.socket.write(
    `PUT ${BOX}/files/srv/half HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n`,
  );
  await new Promise<void>((resolve) => raw.socket.write("x".repeat(100_000), () => resolve()));
  await exec("true");
  raw.socket.destroy();
  await raw.closed;
  // What the copy was called before it was complete goes as well.
  const gone = 'until [ -z "$(ls -A /srv)" ]; do sleep 0.1; done; echo gone';
  const { stdout } = await api.ask("POST", `${BOX}/exec`, {
    json: { command: ["sh", "-c", gone], timeoutSecs: 20 },
  });
  expect(stdout).toBe("gone\n");
});

const MASK = Buffer.from([1, 2, 3, 4]);

/** A frame of a client. @param first FIN, reserved bits and opcode @param length as it is told */
function frame(first: number, payload: Uint8Array, { length = payload.length, masked = true } = {}): Buffer {
  const bit = masked ? 0x80 : 0;
  const size =
    length < 126
      ? Buffer.from([bit | length])
      : length < 65_536
        ? Buffer.from([bit | 126, length >> 8, length & 255])
        : Buffer.concat([Buffer.from([bit | 127]), sizeOf(length)]);
  const data = masked ? payload.map((byte, at) => byte ^ (MASK[at & 3] ?? 0)) : payload;
  return Buffer.concat([Buffer.from([first]), size, ...(masked ? [MASK] : []), data]);
}

function sizeOf(length: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(length));
  return bytes;
}

/** A terminal in which `cat` runs, over a connection of which each byte is ours. */
async function terminal(): Promise<Raw> {
  const raw = new Raw();
  const query = `cmd=sh&cmd=-c&cmd=${encodeURIComponent("stty -echo; echo begun; exec cat")}`;
  raw.socket.write(
    [
      `GET ${BOX}/exec/interactive?${query} HTTP/1.1`,
      ...["Host: localhost", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"],
      ...["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "", ""],
    ].join("\r\n"),
  );
  await raw.until("begun");
  return raw;
}

const TEXT = 0x81;
const BINARY = 0x82;
const hi = Buffer.from("hi");

const HOSTILE: Readonly<Record<string, Buffer>> = {
  "a frame that is not masked": frame(BINARY, hi, { masked: false }),
  "reserved bits": frame(BINARY | 0x70, hi),
  "an opcode that there is not": frame(0x8b, hi),
  "a ping in two parts": frame(0x09, hi),
  "a ping that is too long": frame(0x89, Buffer.alloc(200)),
  "a continuation of nothing": frame(0x80, hi),
  "text that is no UTF-8": frame(TEXT, Buffer.from([0xff, 0xfe])),
  "a message of 2 MiB": frame(BINARY, Buffer.alloc(2 * 1024 * 1024)),
  "a length of 2^53": frame(BINARY, hi, { length: 2 ** 53 }),
  "no frame at all": Buffer.from("GET / HTTP/1.1\r\n\r\n"),
};

for (const [what, bytes] of Object.entries(HOSTILE))
  test(`a WebSocket that sends ${what} is closed, and its program with it`, async () => {
    const raw = await terminal();
    raw.socket.write(bytes);
    await raw.closed;
    const gone = "while pgrep -x cat; do sleep 0.1; done > /dev/null; echo gone";
    const json = { command: ["sh", "-c", gone], timeoutSecs: 20 };
    expect((await api.ask("POST", `${BOX}/exec`, { json })).stdout).toBe("gone\n");
  });

test("what looks like a message to the server, and is none, is typed; a message in many parts is one", async () => {
  const raw = await terminal();
  for (const text of ['{"type":"resize","cols":-1,"rows":1e9}\n', "{\n", '{"type":"stdin"}\n', "null\n"])
    raw.socket.write(frame(TEXT, Buffer.from(text)));
  for (const [at, letter] of [..."parts"].entries())
    raw.socket.write(frame(at === 0 ? 0x02 : 0x00, Buffer.from(letter)));
  raw.socket.write(frame(0x80, Buffer.from("\n")));
  await raw.until("parts\r\n");
  expect(raw.got.includes("null\r\n")).toBe(true);
  expect(raw.got.includes("1e9")).toBe(true);
  raw.socket.destroy();
});

test("a client that types without end, to a program that does not read, is closed", async () => {
  const raw = new Raw();
  const query = `cmd=sh&cmd=-c&cmd=${encodeURIComponent("stty -icanon -echo; echo begun; exec sleep 4243")}`;
  raw.socket.write(
    `GET ${BOX}/exec/interactive?${query} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
  );
  await raw.until("begun");
  const piece = frame(BINARY, Buffer.alloc(512 * 1024, "x"));
  for (let count = 0; count < 20; count++) raw.socket.write(piece);
  await raw.closed;
  const gone = "while pgrep -f '[s]leep 4243'; do sleep 0.1; done > /dev/null; echo gone";
  const json = { command: ["sh", "-c", gone], timeoutSecs: 20 };
  expect((await api.ask("POST", `${BOX}/exec`, { json })).stdout).toBe("gone\n");
});

test("many small messages that wait are as much as a few large ones", async () => {
  const raw = new Raw();
  const query = `cmd=sh&cmd=-c&cmd=${encodeURIComponent("stty -icanon -echo; echo begun; exec sleep 4244")}`;
  raw.socket.write(
    `GET ${BOX}/exec/interactive?${query} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
  );
  await raw.until("begun");
  const letters = Buffer.concat(Array.from({ length: 10_000 }, () => frame(BINARY, Buffer.from("x"))));
  for (let count = 0; count < 100; count++) raw.socket.write(letters);
  await raw.closed;
});

test("who asks for the head of a stream keeps nothing open", async () => {
  const open = () => readdirSync(`/proc/${api.pid}/fd`).length;
  const before = open();
  // More than there may be streams at once, so each has to give back what it took.
  for (const path of [
    `${BOX}/logs?follow=true`,
    `${BOX}/events`,
    "/api/v1/events",
    `${BOX}/files/bin/busybox`,
  ])
    for (let count = 0; count < 180; count++)
      expect([path, (await fetch(`${api.url}${path}`, { method: "HEAD" })).status]).toEqual([path, 200]);
  await exec("true");
  expect(open() - before).toBeLessThan(20);
});

test("an image is no way to a path of the host", async () => {
  const outside = `${home.path}/outside`;
  mkdirSync(outside);
  const command = ["true"];
  for (const image of ["/", outside, `${outside}/not-there.tar`, `${home.path}/../etc`])
    expect([image, (await api.refusal("POST", `${BOX}/run`, { json: { image, command } })).code]).toEqual([
      image,
      "FORBIDDEN",
    ]);
  for (const image of ["-", "here.tar", "./here"])
    expect([image, (await api.refusal("POST", `${BOX}/run`, { json: { image, command } })).code]).toEqual([
      image,
      "BAD_REQUEST",
    ]);
});
