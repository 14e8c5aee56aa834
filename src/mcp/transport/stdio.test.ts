import { expect, test } from "bun:test";
import { seededRandom } from "../../../test/support/random.ts";
import { MAX_MESSAGE_BYTES } from "../protocol/limits.ts";
import type { ToolBox } from "../protocol/server.ts";
import { serveStreams } from "./stdio.ts";

// biome-ignore lint/suspicious/noExplicitAny: what a server says is what tests look at
type Json = any;

const META = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
};

/** One tool, which says what it was given, and another one that waits until nobody wants it any more. */
function box(onCancelled: () => void = () => {}): ToolBox {
  return {
    listed: [{ name: "echo", inputSchema: { type: "object" } }],
    instructions: "none",
    call: (name, given, signal) => {
      if (name === "echo")
        return Promise.resolve({ content: [], structuredContent: { given: given as object } });
      if (name !== "wait") return undefined;
      return new Promise((_, reject) =>
        signal.addEventListener("abort", () => {
          onCancelled();
          reject(signal.reason);
        }),
      );
    },
  };
}

/** All that the server says to these bytes, in pieces, and then the end. */
async function answersTo(pieces: readonly (string | Uint8Array)[], tools = box()): Promise<Json[]> {
  const written: Uint8Array[] = [];
  const faults: unknown[] = [];
  const input = (async function* () {
    for (const piece of pieces) yield Buffer.from(piece as string);
  })();
  const write = async (line: Uint8Array) => void written.push(line);
  await serveStreams(
    tools,
    { input, write, onFault: (fault) => faults.push(fault) },
    new AbortController().signal,
  );
  expect(faults).toEqual([]);
  const lines = Buffer.concat(written).toString().split("\n").slice(0, -1);
  return lines.map((line) => JSON.parse(line));
}

const ask = (id: unknown, method: string, params: object = {}) =>
  `${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`;

test("a request is served as what it says it is, whatever came before it", async () => {
  const [discovered, begun, modern, legacy, pinged, modernPing] = await answersTo([
    ask(1, "server/discover", { _meta: META }),
    ask(2, "initialize", { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: {} }),
    ask(3, "tools/call", { name: "echo", arguments: { a: 1 }, _meta: META }),
    ask(4, "tools/call", { name: "echo", arguments: { a: 1 } }),
    ask("five", "ping"),
    ask(6, "ping", { _meta: META }),
  ]);
  expect(discovered.result).toMatchObject({
    resultType: "complete",
    supportedVersions: ["2026-07-28"],
    capabilities: { tools: {} },
    ttlMs: expect.any(Number),
    cacheScope: "private",
    _meta: { "io.modelcontextprotocol/serverInfo": { name: "smolvm" } },
  });
  expect(begun.result).toMatchObject({ protocolVersion: "2025-06-18", serverInfo: { name: "smolvm" } });
  expect(modern.result).toMatchObject({ resultType: "complete", structuredContent: { given: { a: 1 } } });
  expect(legacy.result).toEqual({ content: [], structuredContent: { given: { a: 1 } } });
  expect(pinged).toEqual({ jsonrpc: "2.0", id: "five", result: {} });
  expect(modernPing.error.code).toBe(-32601);
});

test("another version is refused with those that there are, or is offered the latest with a handshake", async () => {
  const strange = { ...META, "io.modelcontextprotocol/protocolVersion": "1900-01-01" };
  const { "io.modelcontextprotocol/clientCapabilities": _, ...poor } = META;
  const [refused, offered, lacking] = await answersTo([
    ask(1, "tools/list", { _meta: strange }),
    ask(2, "initialize", { protocolVersion: "2099-01-01" }),
    ask(3, "tools/list", { _meta: poor }),
  ]);
  expect(refused.error).toEqual({
    code: -32022,
    message: "Unsupported protocol version",
    data: { supported: ["2026-07-28"], requested: "1900-01-01" },
  });
  expect(offered.result.protocolVersion).toBe("2025-11-25");
  expect(lacking.error.code).toBe(-32602);
});

test("what is wrong with a message is said, with its id where it has one", async () => {
  const told = await answersTo([
    "{\n",
    "[]\n",
    '{"jsonrpc":"2.0","id":null,"method":"ping"}\n',
    '{"jsonrpc":"2.0","id":1.5,"method":"ping"}\n',
    '{"jsonrpc":"2.0","id":7,"method":"ping","params":[]}\n',
    '{"jsonrpc":"2.0","id":8,"method":"none"}\n',
    '{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"none"}}\n',
    '{"jsonrpc":"2.0","id":3,"result":{}}\n',
    '{"jsonrpc":"2.0","method":"notifications/initialized"}\n',
    new Uint8Array([0xff, 0x0a]),
    `"${"x".repeat(MAX_MESSAGE_BYTES)}"\n`,
    ask(10, "ping"),
  ]);
  // What can be refused at once is; what is asked of a tool may come later.
  const codes = told.map(({ id, error }) => `${id} ${error?.code}`).sort();
  const nameless = [-32700, -32600, -32600, -32600, -32700, -32600].map((code) => `undefined ${code}`);
  expect(codes).toEqual(["7 -32602", "8 -32601", "9 -32602", "10 undefined", ...nameless].sort());
});

test("a cancelled request has no answer, and the end cancels what there is", async () => {
  let cancelled = 0;
  const tools = box(() => cancelled++);
  const cancel = { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1 } };
  const told = await answersTo(
    [
      ask(1, "tools/call", { name: "wait" }),
      ask(2, "tools/call", { name: "wait" }),
      ask(2, "ping"),
      `${JSON.stringify(cancel)}\n`,
    ],
    tools,
  );
  expect(cancelled).toBe(2);
  expect(told).toEqual([
    { jsonrpc: "2.0", id: 2, error: { code: -32600, message: "another request has this id" } },
  ]);
});

/** A client that reads nothing until `read` lets it; `all` resolves when it has `count` lines. */
function slowReader(count: number) {
  const gate = Promise.withResolvers<void>();
  const all = Promise.withResolvers<void>();
  const lines: Uint8Array[] = [];
  const write = async (line: Uint8Array) => {
    await gate.promise;
    if (lines.push(line) === count) all.resolve();
  };
  return { lines, write, read: gate.resolve, all: all.promise };
}

test("a client that does not read is not read, and loses nothing once it does", async () => {
  const big = "x".repeat(10_000);
  const { lines, read, write, all } = slowReader(1000);
  const gone = Promise.withResolvers<void>();
  let asked = 0;
  const input = (async function* () {
    for (; asked < 1000; asked++)
      yield Buffer.from(ask(asked, "tools/call", { name: "echo", arguments: { big } }));
    await gone.promise;
  })();
  const serving = serveStreams(box(), { input, write, onFault: () => {} }, new AbortController().signal);
  // As many turns as all would take, were they read.
  for (let turn = 0; turn < 2000; turn++) await Bun.sleep(0);
  expect(asked).toBeGreaterThan(10);
  expect(asked * big.length).toBeLessThan(2 * 1024 * 1024);
  read();
  await all;
  const told = lines.map((line) => JSON.parse(Buffer.from(line).toString()));
  expect(told.every(({ result }) => result?.structuredContent.given.big === big)).toBe(true);
  gone.resolve();
  await serving;
});

test("a client that says no more and reads nothing has gone, though nobody has closed its end", async () => {
  const { write } = slowReader(0);
  const big = "x".repeat(100_000);
  // More than answers may wait, by two requests.
  const input = (async function* () {
    for (let id = 0; id < 13; id++)
      yield Buffer.from(ask(id, "tools/call", { name: "echo", arguments: { big } }));
  })();
  await serveStreams(box(), { input, write, onFault: () => {} }, new AbortController().signal);
}, 20_000);

test("a server that is told to end does so, though its client reads nothing", async () => {
  const { write } = slowReader(0);
  const told = new AbortController();
  const input = (async function* () {
    for (let id = 0; ; id++) yield Buffer.from(ask(id, "tools/list"));
  })();
  const serving = serveStreams(box(), { input, write, onFault: () => {} }, told.signal);
  await Bun.sleep(0);
  told.abort();
  await serving;
}, 20_000);

test("whatever bytes come in whatever pieces, each line of the output is a message, and the next request is answered", async () => {
  const random = seededRandom("mcp frames");
  const whole = (most: number) => Math.floor(random() * most);
  const pieces = [
    '{"jsonrpc":"2.0"',
    ',"id":',
    "1",
    '"a"',
    "null",
    ',"method":"ping"',
    ',"method":"tools/call"',
    ',"params":{',
    '"name":"echo"',
    "[",
    "]",
    "}",
    "\n",
    "\r\n",
    '{"_meta":',
    "\u0000",
    "é",
    '"',
  ];
  for (let round = 0; round < 300; round++) {
    const bytes = Buffer.from(
      Array.from({ length: whole(40) }, () => pieces[whole(pieces.length)] as string).join(""),
    );
    for (let change = whole(4); change > 0 && bytes.length > 0; change--)
      bytes[whole(bytes.length)] = whole(256);
    const cuts: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; ) {
      const end = at + 1 + whole(20);
      cuts.push(bytes.subarray(at, end));
      at = end;
    }
    const told = await answersTo([...cuts, "\n", ask("last", "ping")]);
    expect(told.filter(({ id }) => id === "last")).toEqual([{ jsonrpc: "2.0", id: "last", result: {} }]);
    for (const message of told) expect(message.jsonrpc).toBe("2.0");
  }
});
