import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { Smolvm, SmolvmError } from "../../sdk/src/index.ts";
import { OPERATIONS } from "../../sdk/src/transport/serve/operations.ts";
import { allRoutes } from "../../src/serve/routes/all.ts";
import { Home } from "../support/home.ts";
import { collect, Talking, until } from "../support/process.ts";
import { slowness } from "../support/program.ts";
import { createAuthority } from "../support/registry/certificates.ts";
import { bundle } from "./bundle.ts";
import { expectPassed } from "./outcome.ts";

setDefaultTimeout(300_000 * slowness);

/** The SDK's suite (suite.ts) over a server, and what is only there. */

const SMALL = { cpus: 1, memoryMiB: 256, startTimeoutMs: 300_000 } as const;

async function serve(home: Home, ...words: readonly string[]) {
  const server = new Talking(home.start(["serve", "start", ...words]));
  const url = /listening on (\S+)/.exec((await server.line()) ?? "")?.[1];
  if (url === undefined) throw new Error("the server does not say where it listens");
  const stop = async () => {
    server.child.kill();
    await server.child.exited;
  };
  return { url, stop, [Symbol.asyncDispose]: stop };
}

/** Runs a program that uses the SDK. */
const start = (home: Home, words: readonly string[], env: Record<string, string>) =>
  Bun.spawn([...words], {
    cwd: home.path,
    // No program is named: a server needs none. One test of the suite names some of its own.
    env: { ...home.env, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });

/** How each runs a program's file. */
const bun = [process.execPath];
const node = [process.env.SMOLVM_TEST_NODE ?? Bun.which("node") ?? "node"];
const deno = [
  process.env.SMOLVM_TEST_DENO ?? Bun.which("deno") ?? "deno",
  ...["run", "--allow-all", "--no-config"],
];

let suite: string;
beforeAll(async () => {
  suite = await bundle(`${import.meta.dir}/suite.ts`);
});
afterAll(() => rmSync(dirname(suite), { recursive: true }));

/** A key for TCP, so that both ways in are gone. */
const token = randomBytes(16).toString("hex");

describe.each([
  { name: "Bun", runtime: bun, place: "a Unix socket" },
  { name: "Node", runtime: node, place: "TCP with a token" },
  { name: "Deno", runtime: deno, place: "a Unix socket" },
])("in $name", ({ runtime, place }) => {
  test(`the suite passes over ${place}, and leaves nothing`, async () => {
    const home = new Home();
    try {
      writeFileSync(`${home.path}/token`, token, { mode: 0o600 });
      const words =
        place === "a Unix socket"
          ? ["-l", `${home.path}/api.sock`]
          : ["-l", "127.0.0.1:0", "--token-file", `${home.path}/token`];
      await using server = await serve(home, ...words);
      const env = { SMOLVM_URL: server.url, SMOLVM_TOKEN: token };
      const started = start(home, [...runtime, suite], env);
      expectPassed(await collect(started, "the suite", 240_000 * slowness));
      await server.stop();
      await home.expectNothingLeft();
    } finally {
      home.remove();
    }
  });
});

test("machines over TLS with certificates of both sides, in Bun, Node and Deno; another certificate is refused", async () => {
  const home = new Home();
  const byCertificate = await bundle(`${import.meta.dir}/by-certificate.ts`);
  try {
    const own = createAuthority(home.path);
    const other = createAuthority(home.path, "another authority");
    const server = own.issue(["localhost", "127.0.0.1"]);
    const words = [
      "--tls-cert",
      server.certificate,
      "--tls-key",
      server.key,
      "--tls-client-ca",
      own.certificate,
    ];
    await using serving = await serve(home, "-l", "127.0.0.1:0", ...words);
    const say = async (runtime: readonly string[], { certificate, key }: typeof server) => {
      const program = [...runtime, byCertificate, serving.url, own.certificate, certificate, key];
      return (await collect(start(home, program, {}), "the program", 120_000 * slowness)).output;
    };
    const client = own.issue(["client"]);
    for (const runtime of [bun, node, deno]) expect(await say(runtime, client)).toBe("over TLS a file\n");
    expect(await say(node, other.issue(["client"]))).toMatch(/^sdk\.(unreachable|lost)\n$/);
    await serving.stop();
    await home.expectNothingLeft();
  } finally {
    rmSync(dirname(byCertificate), { recursive: true });
    home.remove();
  }
});

test("its list of operations is the server's", () => {
  const routes = new Map(allRoutes.map(({ id, method, path }) => [id, [method.toUpperCase(), path]]));
  for (const [id, [method, path]] of Object.entries(OPERATIONS))
    expect(routes.get(id)).toEqual([method, path]);
});

describe("a server", () => {
  const home = new Home();
  let server: Awaited<ReturnType<typeof serve>>;
  let client: Smolvm;
  beforeAll(async () => {
    server = await serve(home, "-l", `${home.path}/api.sock`);
    client = new Smolvm({ url: server.url });
  });
  afterAll(async () => {
    await client[Symbol.asyncDispose]();
    await server.stop();
    await home.expectNothingLeft();
    home.remove();
  });
  const codeOf = (work: Promise<unknown>) =>
    work.then(
      () => undefined,
      (error) => (error instanceof SmolvmError ? error.code : String(error)),
    );

  test("refuses what it does not do for its clients, and says so", async () => {
    expect(await codeOf(client.create({ secrets: { A: { fromEnv: "HOME" } } }))).toBe("sdk.unsupported");
    expect(await codeOf(client.create({ sshAgent: true }))).toBe("sdk.unsupported");
    expect(await codeOf(client.packs.inspect("/x"))).toBe("sdk.unsupported");
  });

  test("that is not there, or is another, is an error that says which", async () => {
    expect(await codeOf(new Smolvm({ url: "unix:/nowhere.sock" }).list())).toBe("sdk.unreachable");
    expect(() => new Smolvm({ url: "ftp://x" })).toThrow("begins with none of");
    expect(() => new Smolvm({ url: server.url, bin: "/x" })).toThrow("exclude each other");
    const other = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => new Response("hello", { status: 404 }),
    });
    const url = `http://127.0.0.1:${other.port}`;
    expect(await codeOf(new Smolvm({ url }).list())).toBe("sdk.no_server");
    await other.stop(true);
    writeFileSync(`${home.path}/token`, token, { mode: 0o600 });
    await using guarded = await serve(home, "-l", "127.0.0.1:0", "--token-file", `${home.path}/token`);
    expect(await codeOf(new Smolvm({ url: guarded.url }).list())).toBe("sdk.unauthorized");
    expect(await codeOf(new Smolvm({ url: guarded.url, token }).list())).toBeUndefined();
  });

  test("ends the machines of a program that is killed, but not those that it has detached", async () => {
    const script = `
      import { Machine } from ${JSON.stringify(`${import.meta.dir}/../../sdk/src/index.ts`)};
      const small = ${JSON.stringify({ ...SMALL, start: false })};
      await Machine.create({ name: "owned", ...small });
      await Machine.create({ name: "free", ...small, detached: true });
      console.log("made");
      setInterval(() => {}, 1000);`;
    const owner = new Talking(start(home, [...bun, "-e", script], { SMOLVM_URL: server.url }));
    expect(await owner.line()).toBe("made");
    expect((await client.list()).map(({ name }) => name).sort()).toEqual(["free", "owned"]);
    owner.child.kill("SIGKILL");
    await until("the owned machine is gone", async () => (await client.list()).length === 1);
    expect((await client.inspect("free")).status).toBe("created");
    await client.delete("free");
  });

  test("that is lost fails what is under way", async () => {
    await using second = await serve(home, "-l", `${home.path}/second.sock`);
    const machine = await new Smolvm({ url: second.url }).create({ name: "lost", ...SMALL, detached: true });
    const process = await machine.spawn(["sleep", "1000"]);
    const end = codeOf(process.exited);
    await second.stop();
    expect(await end).toBe("sdk.lost");
    await client.delete("lost");
  });
});
