import { mkdtempSync } from "node:fs";
import { Home } from "../../test/support/home.ts";
import { program } from "../../test/support/program.ts";
import { compare } from "./rounds.ts";
import { printComparison } from "./table.ts";
import { upstreamEnv, upstreamProgram } from "./upstream-inside.ts";

/**
 * The part of bench/serve.ts that runs inside the lab: the HTTP API of smolvm and upstream's, whose paths and bodies are
 * the same. What the servers say on stderr is shown: a server that does not start says why.
 */

/** Nested virtualization on a busy host: a start takes tens of seconds there. */
const LIMIT_MS = 150_000;

const rounds = Number(process.argv[2] ?? 10);
const home = new Home();
const directory = mkdtempSync("/tmp/serve-");

interface Server {
  readonly name: string;
  ask(method: string, path: string, body?: object): Promise<Record<string, unknown>>;
  end(): Promise<void>;
}

const started: Server[] = [];

/**
 * Starts a server on a Unix socket, where both listen as their user asks, and waits for its first answer. Also one that has
 * none is in `started`: the lab ends when all that it has started has.
 */
async function serve(name: string, command: string, env: Record<string, string>): Promise<Server> {
  const unix = `${directory}/${name}.sock`;
  const child = Bun.spawn([command, "serve", "start", "-l", unix], {
    env,
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
  });
  const ask: Server["ask"] = async (method, path, body) => {
    const answer = await fetch(`http://x${path}`, {
      unix,
      method,
      headers: { "content-type": "application/json" },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(LIMIT_MS),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${name}: ${method} ${path}: ${answer.status} ${text}`);
    return JSON.parse(text) as Record<string, unknown>;
  };
  const server: Server = {
    name,
    ask,
    end: async () => {
      child.kill("SIGTERM");
      await child.exited;
    },
  };
  started.push(server);
  const begun = performance.now();
  for (;;) {
    try {
      await ask("GET", "/health");
      break;
    } catch (error) {
      if (child.exitCode !== null || performance.now() - begun > LIMIT_MS) throw error;
      // Another program: nothing tells when it listens.
      await Bun.sleep(20);
    }
  }
  console.error(`${name}: first answer after ${(performance.now() - begun).toFixed(0)} ms`);
  return server;
}

const MACHINE = "/api/v1/machines/bench";

/** Upstream gives a boot 30 s, which nested virtualization on a busy host does not always keep. */
const STARTS = 3;

/** @returns whether it has a machine that runs; why not is on stderr */
async function prepare(server: Server): Promise<boolean> {
  await server.ask("POST", "/api/v1/machines", { name: "bench", cpus: 1, memoryMb: 1024 });
  for (let attempt = 1; attempt <= STARTS; attempt++) {
    const begun = performance.now();
    try {
      await server.ask("POST", `${MACHINE}/start`);
      console.error(`${server.name}: start took ${(performance.now() - begun).toFixed(0)} ms`);
      return true;
    } catch (error) {
      console.error(`${server.name}: start ${attempt} of ${STARTS}: ${error}`);
    }
  }
  return false;
}

const exec = (server: Server) => ({
  name: `${server.name}: exec of true`,
  measure: async () => {
    const begun = performance.now();
    const { exitCode } = await server.ask("POST", `${MACHINE}/exec`, { command: ["true"] });
    if (exitCode !== 0) throw new Error(`exit code ${exitCode}`);
    return performance.now() - begun;
  },
});

// Upstream's server also listens on the loopback, for its guests; there is none in the lab until somebody brings it up.
Bun.spawnSync(["ip", "link", "set", "lo", "up"]);
try {
  const ours = await serve("smolvm", program, { ...home.env, SMOLVM_ENGINE: "krun" });
  const theirs = await serve("upstream", upstreamProgram, upstreamEnv);
  const ready: Server[] = [];
  for (const server of [ours, theirs]) if (await prepare(server)) ready.push(server);
  const samples = await compare(ready.map(exec), { rounds, warmUp: 2 });
  printComparison("in the lab: exec over HTTP, a Unix socket", samples, `${ours.name}: exec of true`);
} finally {
  for (const server of started) {
    await server.ask("DELETE", MACHINE).catch(() => {});
    await server.end();
  }
  home.remove();
}
