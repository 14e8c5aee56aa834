import { expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { useMachines } from "../support/machines.ts";
import { program, slowness } from "../support/program.ts";
import { seededRandom } from "../support/random.ts";
import { randomCalls, withEach } from "./random-calls.ts";

/** `smolvm mcp` over HTTP: who gets in, and what headers have to say. */
setDefaultTimeout(60_000 * slowness);

const home = useMachines();
const TOKEN = "0123456789abcdef0123";
const VERSION = "io.modelcontextprotocol/protocolVersion";
const META = { [VERSION]: "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} };

async function serving(options: readonly string[] = []) {
  const words = [program, "mcp", "start", "--http", "127.0.0.1:0", "--max-mem", "256", "--max-machines", "1"];
  const child = Bun.spawn([...words, ...options], {
    ...{ cwd: home.path, env: home.env, stdin: "ignore", stdout: "ignore", stderr: "pipe" },
  });
  let said = "";
  const decoder = new TextDecoder();
  const reader = child.stderr.getReader();
  while (!said.includes("/mcp\n")) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`the server said ${said}`);
    said += decoder.decode(value);
  }
  reader.releaseLock();
  const url = /listening on (\S+)/.exec(said)?.[1] as string;
  const post = (body: unknown, headers: Record<string, string> = {}) =>
    fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
  return {
    url,
    post,
    end: async () => {
      child.kill("SIGTERM");
      return await child.exited;
    },
  };
}

const request = (method: string, params: object = {}) => ({ jsonrpc: "2.0", id: 1, method, params });

test("both generations are served, and headers that say something else than the body are refused", async () => {
  const { url, post, end } = await serving();
  const modern = { "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "exec" };
  const call = request("tools/call", { name: "exec", arguments: { command: "echo hi" }, _meta: META });
  // biome-ignore lint/suspicious/noExplicitAny: what a server says is what tests look at
  const told = async (answer: Response): Promise<[number, any]> => [answer.status, await answer.json()];
  expect(await told(await post(call, modern))).toMatchObject([
    200,
    { result: { resultType: "complete", structuredContent: { stdout: "hi\n" } } },
  ]);
  const encoded = `=?base64?${Buffer.from("exec").toString("base64")}?=`;
  expect((await post(call, { ...modern, "mcp-name": encoded })).status).toBe(200);
  for (const wrong of [
    { "mcp-protocol-version": "2025-11-25" },
    { "mcp-method": "tools/list" },
    { "mcp-name": "run" },
  ])
    expect(await told(await post(call, { ...modern, ...wrong }))).toMatchObject([
      400,
      { id: 1, error: { code: -32020 } },
    ]);
  expect(await told(await post(call))).toMatchObject([400, { error: { code: -32020 } }]);
  const old = request("tools/list", { _meta: { ...META, [VERSION]: "1900-01-01" } });
  expect(await told(await post(old, { "mcp-protocol-version": "1900-01-01" }))).toMatchObject([
    400,
    { error: { code: -32022 } },
  ]);
  const none = request("no/such", { _meta: META });
  expect(await told(await post(none, { ...modern, "mcp-method": "no/such" }))).toMatchObject([
    404,
    { error: { code: -32601 } },
  ]);
  const begun = request("initialize", { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: {} });
  expect(await told(await post(begun))).toMatchObject([200, { result: { protocolVersion: "2025-11-25" } }]);
  expect((await post({ jsonrpc: "2.0", method: "notifications/initialized" })).status).toBe(202);
  const kept = request("tools/call", { name: "exec", arguments: { command: ["true"] } });
  expect(await told(await post(kept, { "mcp-protocol-version": "2025-11-25" }))).toMatchObject([
    200,
    { result: { structuredContent: { exit_code: 0 } } },
  ]);
  expect((await fetch(url)).status).toBe(405);
  expect(await told(await post("{"))).toMatchObject([400, { error: { code: -32700 } }]);
  expect(await end()).toBe(0);
  expect(await home.names()).toEqual([]);
});

test("a client that says anything at all has a server that goes on", async () => {
  const random = seededRandom("mcp over http");
  const { post, end } = await serving();
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const asked = randomCalls(random, 200).map(({ method, params }, at) => {
    const meta = pick([undefined, META, { ...META, [VERSION]: "1900-01-01" }, { [VERSION]: "2026-07-28" }]);
    const whole = { jsonrpc: "2.0", id: at, method, params: { ...params, _meta: meta } };
    const text = JSON.stringify(pick([whole, whole, whole, [whole], { ...whole, id: null }]));
    const headers: Record<string, string> = {
      "mcp-protocol-version": pick(["2026-07-28", "2025-11-25", "1900-01-01", "x"]),
      "mcp-method": pick([method, "tools/list"]),
      "mcp-name": pick(["exec", "run", "=?base64?ZXhlYw==?=", "=?base64?!?="]),
    };
    return { text: pick([text, text, text.slice(0, -3)]), headers };
  });
  await withEach(asked, async ({ text, headers }) => {
    const answer = await post(text, headers);
    expect([200, 202, 400, 404]).toContain(answer.status);
    if (answer.status === 202) return;
    const { jsonrpc, result, error } = (await answer.json()) as Record<string, unknown>;
    expect([jsonrpc, (result ?? error) !== undefined]).toEqual(["2.0", true]);
  });
  const well = request("tools/list");
  expect(await (await post(well)).json()).toMatchObject({ result: { tools: expect.any(Array) } });
  expect(await end()).toBe(0);
  expect(await home.names()).toEqual([]);
});

test("web pages, other names of the host and callers without the token stay outside", async () => {
  const open = await serving();
  const ping = request("ping");
  expect((await open.post(ping)).status).toBe(200);
  expect((await open.post(ping, { origin: "https://evil.example" })).status).toBe(403);
  expect((await open.post(ping, { host: "evil.example" })).status).toBe(403);
  expect((await open.post("x".repeat(3_000_000))).status).toBe(413);
  expect(await open.end()).toBe(0);
  const file = `${home.path}/token`;
  writeFileSync(file, TOKEN, { mode: 0o600 });
  const guarded = await serving(["--token-file", file, "--cors-origin", "https://good.example"]);
  expect((await guarded.post(ping)).status).toBe(401);
  expect((await guarded.post(ping, { authorization: "Bearer wrong" })).status).toBe(401);
  const right = { authorization: `Bearer ${TOKEN}` };
  expect((await guarded.post(ping, { ...right, origin: "https://good.example" })).status).toBe(200);
  expect((await guarded.post(ping, { ...right, origin: "https://evil.example" })).status).toBe(403);
  expect(await guarded.end()).toBe(0);
  const refused = await home.smolvm(["--error-format", "json", "mcp", "start", "--http", "0.0.0.0:0"]);
  expect([refused.exitCode, refused.stderr]).toEqual([1, expect.stringContaining("serve.unguarded")]);
});

test("a page of an origin that is named may ask whether it may, and read answers; others may not", async () => {
  const { url, post, end } = await serving(["--cors-origin", "https://page.test"]);
  const asks = (origin: string) => fetch(url, { method: "OPTIONS", headers: { origin } });
  const allowed = await asks("https://page.test");
  expect([allowed.status, allowed.headers.get("access-control-allow-origin")]).toEqual([
    204,
    "https://page.test",
  ]);
  expect(allowed.headers.get("access-control-allow-headers")).toContain("mcp-protocol-version");
  const answer = await post(request("ping"), { origin: "https://page.test" });
  expect(answer.headers.get("access-control-allow-origin")).toBe("https://page.test");
  const refused = await asks("https://other.test");
  expect([refused.status, refused.headers.get("access-control-allow-origin")]).toEqual([403, null]);
  await end();
});

test("requests that are never finished keep nobody out for longer than the limit of their silence", async () => {
  const { url, post, end } = await serving();
  const { hostname, port } = new URL(url);
  const closed: Promise<void>[] = [];
  for (let i = 0; i < 64; i++) {
    const { promise, resolve } = Promise.withResolvers<void>();
    closed.push(promise);
    await Bun.connect({
      hostname,
      port: Number(port),
      socket: {
        open: (socket) => {
          const head = `POST /mcp HTTP/1.1\r\nhost: ${hostname}\r\ncontent-type: application/json`;
          socket.write(`${head}\r\ncontent-length: 100\r\n\r\n{`);
        },
        data() {},
        close: () => resolve(),
      },
    });
  }
  await Promise.all(closed);
  const { status } = await post(
    request("initialize", { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: {} }),
  );
  expect(status).toBe(200);
  await end();
});
