import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { until } from "../support/process.ts";
import { Wire } from "./namespace.ts";

setDefaultTimeout(180_000);

let wire: Wire;
beforeAll(async () => {
  wire = await Wire.open();
});
afterAll(async () => await wire.close());

/** A program of the host's, in a process of its own: this one has the stack, whose memory is looked at. */
async function onHost(code: string, ...words: readonly (string | number)[]) {
  const child = Bun.spawn([process.execPath, "-e", code, ...words.map(String)], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  const { value } = await child.stdout.getReader().read();
  return { child, port: Number(Buffer.from(value ?? []).toString()) };
}

const ECHO = `
const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data(socket, bytes) { socket.write(bytes); } } });
console.log(server.port);`;

const MANY = `
const [port, count] = process.argv.slice(1).map(Number);
let open = 0, answered = 0, failed = 0;
const sockets = [];
const done = Promise.withResolvers();
const handlers = {
  open(socket) { open++; sockets.push(socket); },
  data(socket, bytes) { if (++answered === count) done.resolve(); },
  close() { failed++; }, error() {}, connectError() { failed++; },
};
for (let i = 0; i < count; i += 200) {
  await Promise.all(Array.from({ length: 200 }, () => Bun.connect({ hostname: "100.96.0.1", port, socket: handlers })));
}
console.log("open", open, failed);
await new Promise((resolve) => process.stdin.once("data", resolve));
for (const socket of sockets) socket.write("hello");
await done.promise;
console.log("answered", answered, failed);
process.exit(0);`;

test("10,000 connections are open at once, and each still works", async () => {
  const count = 10_000;
  const { child, port } = await onHost(ECHO);
  Bun.gc(true);
  const before = process.memoryUsage().rss;
  const guest = wire.inside(MANY, port, count);
  expect(await guest.line()).toBe(`open ${count} 0`);
  Bun.gc(true);
  const each = (process.memoryUsage().rss - before) / count;
  console.log(`${Math.round(each)} bytes for each idle connection`);
  expect(each).toBeLessThan(16 * 1024);
  guest.say("go");
  expect(await guest.line()).toBe(`answered ${count} 0`);
  await guest.child.exited;
  await until("all flows are over", () => wire.ended.length >= count);
  child.kill();
});

const SHORT = `
const [port, count] = process.argv.slice(1).map(Number);
let good = 0, begun = 0;
const one = () => new Promise((resolve) => {
  Bun.connect({ hostname: "100.96.0.1", port, socket: {
    open(socket) { socket.write("x"); },
    data(socket) { good++; socket.end(); },
    close: resolve, error() {}, connectError: resolve,
  } }).catch(resolve);
});
const worker = async () => { while (begun++ < count) await one(); };
await Promise.all(Array.from({ length: 50 }, worker));
console.log(good);`;

test("10,000 short connections, one after the other on 50 sockets", async () => {
  const { child, port } = await onHost(ECHO);
  expect(await wire.run(SHORT, port, 10_000)).toBe("10000");
  child.kill();
});

describe("who does not read holds up only himself", () => {
  const SOURCE = `
    const block = Buffer.alloc(65536);
    const pour = (socket) => { while (socket.write(block) === block.length) socket.data.sent += block.length; };
    const server = Bun.listen({ hostname: "127.0.0.1", port: 0, data: { sent: 0 }, socket: {
      open(socket) { socket.data = { sent: 0 }; pour(socket); }, drain: pour, data() {}, error() {} } });
    console.log(server.port);`;
  const SLEEPER = `
    const [port, count] = process.argv.slice(1).map(Number);
    for (let i = 0; i < count; i++) await Bun.connect({ hostname: "100.96.0.1", port, socket: {
      open(socket) { socket.pause(); }, data() {}, error() {} } });
    console.log("asleep");
    await new Promise((resolve) => process.stdin.once("data", resolve));
    process.exit(0);`;

  test("100 programs of the guest that are sent data without end", async () => {
    const source = await onHost(SOURCE);
    const echo = await onHost(ECHO);
    Bun.gc(true);
    const before = process.memoryUsage().rss;
    const sleeper = wire.inside(SLEEPER, source.port, 100);
    await sleeper.line();
    // Another connection goes through at the usual speed meanwhile.
    expect(await wire.run(SHORT, echo.port, 500)).toBe("500");
    Bun.gc(true);
    const grown = process.memoryUsage().rss - before;
    console.log(`${Math.round(grown / 2 ** 20)} MiB more`);
    expect(grown).toBeLessThan(200 * 2 ** 20);
    sleeper.say("enough");
    await sleeper.child.exited;
    source.child.kill();
    echo.child.kill();
  });

  const SINK = `
    const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { open(socket) { socket.pause(); }, data() {}, error() {} } });
    console.log(server.port);`;
  const POUR = `
    const [port, count] = process.argv.slice(1).map(Number);
    const block = Buffer.alloc(65536);
    let sent = 0, stalled = 0;
    const pour = (socket) => { for (;;) { const n = socket.write(block); sent += Math.max(0, n); if (n < block.length) return; } };
    for (let i = 0; i < count; i++) await Bun.connect({ hostname: "100.96.0.1", port, socket: { open: pour, drain: pour, data() {}, error() {} } });
    let last = -1;
    while (last !== sent) { last = sent; await Bun.sleep(1000); }
    console.log(sent);
    process.exit(0);`;

  test("100 servers of the host that read nothing of what the guest sends", async () => {
    const sink = await onHost(SINK);
    Bun.gc(true);
    const before = process.memoryUsage().rss;
    const sent = Number(await wire.run(POUR, sink.port, 100));
    const grown = process.memoryUsage().rss - before;
    console.log(
      `${Math.round(sent / 2 ** 20)} MiB sent in all, ${Math.round(grown / 2 ** 20)} MiB more here`,
    );
    expect(grown).toBeLessThan(200 * 2 ** 20);
    sink.child.kill();
  });
});
