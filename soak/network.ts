/**
 * Much traffic through one stack, whose guest is the kernel of this host in a network namespace: bytes both ways, each
 * compared, then short connections. Prints throughput, and what the stack's process has grown by.
 *
 *     ./dev soak network [GIGABYTES]      and 10,000 connections for each
 */

import { Wire } from "../test/network/namespace.ts";
import { countOr, say, soak } from "./support/options.ts";

const GIGABYTES = countOr(10);
const CONNECTIONS = 10_000 * GIGABYTES;

/** A stack that keeps something of each connection, or of each gigabyte, would have more than this in the end. */
const MAX_GROWTH_MIB = 200;

/** A pattern of a prime length: bytes that are lost, doubled or moved do not fit what follows. */
const COMMON = `
const words = process.argv.slice(1).map(Number);
const PATTERN = Buffer.alloc(1_048_573);
for (let i = 0, state = 1; i < PATTERN.length; i++) { state = Math.imul(state, 1664525) + 1013904223; PATTERN[i] = state >>> 24; }
/** Sends so many bytes of the pattern, over and over, and ends its side; compares what comes with the same. */
function exchange(total, over) {
  let sent = 0, got = 0;
  const more = (socket) => {
    while (sent < total) {
      const at = sent % PATTERN.length;
      const part = PATTERN.subarray(at, at + Math.min(PATTERN.length - at, total - sent));
      const written = Math.max(0, socket.write(part));
      sent += written;
      if (written < part.length) return;
    }
    socket.shutdown();
  };
  return {
    open: more,
    drain: more,
    data(socket, bytes) {
      for (let from = 0; from < bytes.length; ) {
        const at = got % PATTERN.length;
        const length = Math.min(bytes.length - from, PATTERN.length - at);
        if (PATTERN.compare(bytes, from, from + length, at, at + length) !== 0) over("different within " + got + " and " + (got + length));
        got += length;
        from += length;
      }
    },
    // Without it, the runtime would close a socket whose other side has ended.
    end() {},
    close() { over(got === total ? "same" : got + " bytes of " + total); },
    error(_, error) { over(String(error)); },
  };
}`;

/** Prints its ports, then what it has found; at the other port answers once, and ends: who ends first waits
 * (TIME-WAIT), and the guest has ports for 28,000 that wait. */
const SERVER = `${COMMON}
const server = Bun.listen({ hostname: "127.0.0.1", port: 0, allowHalfOpen: true,
  socket: exchange(words[0], (said) => console.log(said)) });
const echo = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data(socket, bytes) { socket.end(bytes); } } });
console.log(server.port + " " + echo.port);`;

const CLIENT = `${COMMON}
const said = Promise.withResolvers();
await Bun.connect({ hostname: "100.96.0.1", port: words[0], allowHalfOpen: true,
  socket: exchange(words[1], said.resolve) });
console.log(await said.promise);
process.exit(0);`;

const SHORT = `
const [port, count] = process.argv.slice(1).map(Number);
let good = 0, begun = 0;
const one = () => new Promise((resolve) => {
  Bun.connect({ hostname: "100.96.0.1", port, socket: {
    open(socket) { socket.write("x"); },
    data() { good++; },
    close: resolve, error() {}, connectError: resolve,
  } }).catch(resolve);
});
await Promise.all(Array.from({ length: 50 }, async () => { while (begun++ < count) await one(); }));
console.log(good);`;

const residentMib = () => {
  Bun.gc(true);
  return process.memoryUsage().rss / 2 ** 20;
};

await soak(async () => {
  const wire = await Wire.open();
  const bytes = GIGABYTES * 1e9;
  const server = Bun.spawn([process.execPath, "-e", SERVER, String(bytes)], {
    stdout: "pipe",
    stderr: "inherit",
  });
  try {
    const lines = linesOf(server.stdout);
    const [port = 0, echo = 0] = ((await lines.next()).value ?? "").split(" ").map(Number);
    const before = residentMib();

    let begun = performance.now();
    const inside = await wire.run(CLIENT, port, bytes);
    const seconds = (performance.now() - begun) / 1000;
    const onHost = (await lines.next()).value;
    if (inside !== "same" || onHost !== "same") throw new Error(`inside: ${inside}; on the host: ${onHost}`);
    const rate = Math.round((2 * bytes) / seconds / 1e6);
    const grown = Math.round(residentMib() - before);
    say(`${GIGABYTES} GB each way at once, as they were sent: ${rate} MB/s in all, ${grown} MiB more`);

    begun = performance.now();
    const good = Number(await wire.run(SHORT, echo, CONNECTIONS));
    if (good !== CONNECTIONS) throw new Error(`${CONNECTIONS - good} of ${CONNECTIONS} connections failed`);
    const each = Math.round(CONNECTIONS / ((performance.now() - begun) / 1000));
    const more = Math.round(residentMib() - before);
    say(`${CONNECTIONS} short connections: ${each} a second, ${more} MiB more than in the beginning`);
    if (more > MAX_GROWTH_MIB) throw new Error("the stack has grown");
  } finally {
    server.kill();
    await wire.close();
  }
});

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    const lines = (text + decoder.decode(chunk, { stream: true })).split("\n");
    text = lines.pop() ?? "";
    yield* lines;
  }
}
