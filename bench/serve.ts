/**
 * The HTTP API: execs, files, memory at rest, and the time to the first answer, beside the command line; execs on krun in
 * the lab, beside upstream's API.
 *
 *     bun bench/serve.ts [rounds]
 *
 * Both drive the same machine. Needs dist/smolvm.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { program } from "../test/support/program.ts";
import { Contender } from "./support/contender.ts";
import { runInLab } from "./support/in-lab.ts";
import { measureCommand } from "./support/measure.ts";
import { compare, median, minimum, percentile } from "./support/rounds.ts";
import { beginTable, printComparison } from "./support/table.ts";

const rounds = Number(process.argv[2] ?? 20);
/** All execs of the run in parallel, and how many of them at once. */
const EXECS = 1000;
const AT_ONCE = 32;
const MEGABYTES = 64;
/** Until the runtime has given back what it does not need. */
const REST_MS = 30_000;
const FILE_ROUNDS = Math.max(3, Math.floor(rounds / 4));

const here = new Contender("smolvm", program, "qemu");
const directory = mkdtempSync("/tmp/sv-serve-");
const FILE = `${directory}/file`;

/** Starts a server. @returns it, its address, and the milliseconds to its first answer */
async function serve() {
  const begun = performance.now();
  const child = Bun.spawn([program, "serve", "start", "-l", "127.0.0.1:0"], {
    env: here.env,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
  });
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  const url = /http:\/\/\S+/.exec(Buffer.from(value ?? []).toString())?.[0];
  if (url === undefined) throw new Error("the server did not say where it listens");
  await (await fetch(`${url}/health`)).text();
  return { child, url, milliseconds: performance.now() - begun };
}

const json = { "content-type": "application/json" };
const body = JSON.stringify({ command: ["true"] });

async function exec(url: string): Promise<number> {
  const begun = performance.now();
  const answer = await fetch(`${url}/api/v1/machines/box/exec`, { method: "POST", headers: json, body });
  const { exitCode } = (await answer.json()) as { exitCode?: number };
  if (exitCode !== 0) throw new Error(`exec: ${answer.status}`);
  return performance.now() - begun;
}

async function execs(url: string): Promise<void> {
  const times: number[] = [];
  let left = EXECS;
  const begun = performance.now();
  const client = async () => {
    while (left-- > 0) times.push(await exec(url));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, client));
  const seconds = (performance.now() - begun) / 1000;
  const columns = ["", "a second", "median ms", "p99 ms", "longest ms"];
  const figures = [EXECS / seconds, median(times), percentile(times, 0.99), percentile(times, 1)];
  beginTable(
    `${EXECS} execs of true, ${AT_ONCE} at once`,
    columns,
  )(["HTTP", ...figures.map((n) => n.toFixed(1))]);
}

async function files(url: string): Promise<void> {
  const place = `${url}/api/v1/machines/box/files/root/file`;
  const put = async () => {
    const answer = await fetch(place, { method: "PUT", body: Bun.file(FILE) });
    if (!answer.ok) throw new Error(await answer.text());
  };
  const get = async () => {
    await Bun.write(`${directory}/back`, await fetch(place));
  };
  const copy = (from: string, to: string) => here.measure(["cp", from, to]);
  const rate = (name: string, work: () => Promise<unknown>) => ({
    name,
    measure: async () => {
      const begun = performance.now();
      await work();
      return performance.now() - begun;
    },
  });
  const samples = await compare(
    [
      rate("PUT", put),
      rate("cp, in", () => copy(FILE, "box:/root/file")),
      rate("GET", get),
      rate("cp, out", () => copy("box:/root/file", `${directory}/back`)),
    ],
    { rounds: FILE_ROUNDS },
  );
  const print = beginTable(`A file of ${MEGABYTES} MB, MB/s`, ["", "runs", "median", "best"]);
  for (const { name, values, failures } of samples) {
    const rates = [median(values), minimum(values)].map((ms) => (MEGABYTES / (ms / 1000)).toFixed(1));
    print([failures.length === 0 ? name : `${name} (${failures[0]})`, String(values.length), ...rates]);
  }
}

/** MiB: all that the process has in memory, and what of it is its own. */
function memoryOf(pid: number): string[] {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const of = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0) / 1024;
  return [of("Rss"), of("Pss"), of("Private_Dirty") + of("Private_Clean")].map((mib) => mib.toFixed(1));
}

console.log(`load at the beginning: ${loadavg()[0]?.toFixed(1)}`);
// More than one block of random bytes: nothing on the way can make it small.
writeFileSync(FILE, Buffer.alloc(MEGABYTES * 1_000_000, crypto.getRandomValues(new Uint8Array(65_536))));
const end = await here.lastingMachine("box", ["--cpus", "1", "--mem", "512"]);
let server: Awaited<ReturnType<typeof serve>> | undefined;
try {
  const first: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const { child, milliseconds } = await serve();
    first.push(milliseconds);
    child.kill("SIGTERM");
    await child.exited;
  }
  const print = beginTable("From serve start to the first answer", ["", "runs", "median ms", "min ms"]);
  print(["GET /health", String(rounds), median(first).toFixed(1), minimum(first).toFixed(1)]);
  server = await serve();
  const { child, url } = server;
  const memory = beginTable("Memory of the server, MiB", ["", "resident", "shared out", "its own"]);
  memory(["before any request", ...memoryOf(child.pid)]);
  const cli = [program, "machine", "exec", "box", "--", "true"];
  const samples = await compare(
    [
      { name: "command line", measure: async () => (await measureCommand(cli, { env: here.env })).total },
      { name: "HTTP, one kept connection", measure: () => exec(url) },
    ],
    { rounds, warmUp: 3 },
  );
  printComparison("exec of true", samples, "command line");
  await execs(url);
  await files(url);
  const after = beginTable("Memory of the server, MiB", ["", "resident", "shared out", "its own"]);
  after(["after all of this", ...memoryOf(child.pid)]);
  await Bun.sleep(REST_MS);
  after(["and half a minute without requests", ...memoryOf(child.pid)]);
  console.log(`\nload at the end: ${loadavg()[0]?.toFixed(1)}`);
} finally {
  server?.child.kill("SIGTERM");
  await server?.child.exited;
  await end();
  here.remove();
  rmSync(directory, { recursive: true, force: true });
}
await runInLab(["serve-inside.ts", String(rounds)]);
