import { expect, test } from "bun:test";
import { readdirSync, readlinkSync } from "node:fs";
import {
  array,
  assert,
  asyncProperty,
  constant,
  constantFrom,
  integer,
  oneof,
  record,
  uint8Array,
} from "fast-check";
import type { Exchange } from "../../../test/support/registry/exchange.ts";
import { SmolError } from "../../errors.ts";
import { collect, digestOf, repositoryAt, useRegistry } from "../registry.fixture.ts";

/** Servers that do whatever comes into their heads: the right bytes or a clear error, soon. */

const { start } = useRegistry();

const size = 5000;
const content = crypto.getRandomValues(new Uint8Array(size));
const blob = { digest: digestOf(content), size };

/** One answer. `at` and `more` are places in the blob, or amounts. */
interface Whim {
  readonly kind: (typeof kinds)[number];
  readonly at: number;
  readonly more: number;
}

const kinds = [
  "honest",
  "whole",
  "breaks",
  "stalls",
  "chunked",
  "wrong range",
  "wrong length",
  "416",
  "500",
  "404",
  "429",
  "circle",
  "nothing",
  "early end of the head",
] as const;

const firstOf = ({ request }: Exchange) =>
  Number(/^bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);

async function answer(exchange: Exchange, { kind, at, more }: Whim): Promise<void> {
  const first = firstOf(exchange);
  const range: Record<string, string> =
    first === 0 ? {} : { "content-range": `bytes ${first}-${size - 1}/${size}` };
  const status = first === 0 ? 200 : 206;
  const rest = content.subarray(first);
  switch (kind) {
    case "honest":
      return await exchange.respond(status, range, rest);
    case "whole":
      return await exchange.respond(200, {}, content);
    case "breaks":
    case "stalls":
      await exchange.head(status, { ...range, "content-length": String(rest.length) });
      await exchange.body(rest.subarray(0, at));
      if (kind === "stalls") return await exchange.silence();
      await Bun.sleep(5);
      return exchange.close();
    case "chunked": {
      const part = more % 3 === 0 ? Buffer.concat([content, Buffer.from("x")]) : content.subarray(0, at);
      await exchange.head(200, { "transfer-encoding": "chunked" });
      await exchange.body(Buffer.from(`${part.length.toString(16)}\r\n`));
      await exchange.body(part);
      return await exchange.body(Buffer.from("\r\n0\r\n\r\n"));
    }
    case "wrong range": {
      const lie = { "content-range": `bytes ${at}-${at + more}/${size}` };
      return await exchange.respond(206, lie, content.subarray(at, at + more + 1));
    }
    case "wrong length":
      await exchange.head(status, { ...range, "content-length": String(more) });
      await exchange.body(rest.subarray(0, more));
      return;
    case "429":
      return await exchange.respond(429, { "retry-after": "0" }, "");
    case "circle":
      return await exchange.respond(307, { location: `${exchange.request.path}?x` }, "");
    case "nothing":
      return exchange.close();
    case "early end of the head":
      exchange.socket.write("HTTP/1.1 200 OK\r\nContent-Le");
      return exchange.close();
    default:
      return await exchange.respond(Number(kind), {}, "no");
  }
}

/** Connections that this process holds. */
function sockets(): number {
  const descriptors = readdirSync("/proc/self/fd").map((name) => `/proc/self/fd/${name}`);
  return descriptors.filter((path) => {
    try {
      return readlinkSync(path).startsWith("socket:");
    } catch {
      return false; // the directory that is being read
    }
  }).length;
}

test("a blob: exactly its bytes, or a SmolError, whatever the server does", async () => {
  const whim = record({
    kind: constantFrom(...kinds),
    at: integer({ min: 0, max: size }),
    more: integer({ min: 0, max: 2 * size }),
  });
  let whims: Whim[] = [];
  let turn = 0;
  const server = await start(async (exchange) => {
    await answer(exchange, whims[turn++ % whims.length] ?? { kind: "honest", at: 0, more: 0 });
  });
  let good = 0;
  const before = sockets();
  await assert(
    asyncProperty(array(whim, { minLength: 1, maxLength: 8 }), async (script) => {
      whims = script;
      turn = 0;
      const repository = repositoryAt(server.host, { stallMs: 40, attempts: 3, backoffMs: 1 });
      try {
        expect(await collect(repository.blob(blob))).toEqual(content);
        good += 1;
      } catch (error) {
        if (!(error instanceof SmolError)) throw error;
        expect(error.code).toStartWith("registry.");
      }
    }),
    { numRuns: 120 },
  );
  expect(good).toBeGreaterThan(10);
  // Both ends are in this process. Idle connections are kept for the next request; one is enough for each repository.
  await Bun.sleep(300);
  expect(sockets()).toBeLessThan(before + 10);
}, 60_000);

test("bytes that are no HTTP: a SmolError", async () => {
  const line = constantFrom(
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.1 206\r\n",
    "HTTP/9.9 999 \u0000\r\n",
    "Content-Length: -5\r\n",
    "Content-Length: 99999999999999999999\r\n",
    "Content-Length: 5\r\nContent-Length: 6\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Location: \u0000\r\n",
    "WWW-Authenticate: Bearer realm=\r\n",
    "\r\n",
    "ffffffffffffffff\r\n",
    "-1\r\n",
  );
  const piece = oneof(
    line.map((text) => Buffer.from(text, "latin1")),
    uint8Array({ maxLength: 20 }),
    constant(Buffer.from("\r\n\r\n")),
  );
  let bytes: Uint8Array = Buffer.alloc(0);
  const server = await start((exchange) => {
    exchange.socket.end(bytes);
    exchange.closed = true;
  });
  await assert(
    asyncProperty(array(piece, { maxLength: 6 }), async (pieces) => {
      bytes = Buffer.concat(pieces);
      const repository = repositoryAt(server.host, { stallMs: 60, attempts: 1 });
      for (const attempt of [
        () => repository.manifest("latest", 1000),
        () => collect(repository.blob(blob)),
      ]) {
        const error = await attempt().then(
          () => undefined,
          (failed: unknown) => failed,
        );
        expect(error).toBeInstanceOf(SmolError);
      }
    }),
    { numRuns: 100 },
  );
}, 60_000);
