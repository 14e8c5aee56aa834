import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Talking } from "../test/support/process.ts";
import { compare, median, type Samples } from "./support/rounds.ts";
import { beginTable } from "./support/table.ts";

/**
 * The network alone: our stack against passt (Debian's), each with the host's kernel as its guest, in a namespace behind
 * a TAP device and the same small program (test/network/tap.c). No VM is involved, so what is measured is the stack.
 * Needs root, passt, iperf3 and a C compiler. With 3 rounds about 4 minutes.
 *
 *     bun bench/net.ts [rounds]
 */

const rounds = Number(process.argv[2] ?? 3);
const SECONDS = 3;
const IPERF_PORT = 15_201;
const directory = mkdtempSync(join(tmpdir(), "smolvm-bench-net-"));
// passt gives up its privileges, and has to connect nothing but to make its socket.
Bun.spawnSync(["chmod", "0777", directory]);
const tap = join(directory, "tap");
const compiler = Bun.spawnSync(["cc", "-O2", "-o", tap, `${import.meta.dir}/../test/network/tap.c`]);
if (!compiler.success) throw new Error("cannot compile test/network/tap.c");

type Backend = (socket: string, hostPort: number, guestPort: number) => readonly string[];

const backends: Record<string, Backend> = {
  smolvm: (socket, hostPort, guestPort) => [
    ...[process.execPath, `${import.meta.dir}/support/net-stack.ts`, socket],
    ...[String(hostPort), String(guestPort)],
  ],
  passt: (socket, hostPort, guestPort) => [
    ...["passt", "-f", "-q", "-s", socket, "-a", "100.96.0.2", "-n", "255.255.255.252", "-g", "100.96.0.1"],
    ...["-m", "65520", "-4", "-t", `127.0.0.1/${hostPort}:${guestPort}`],
  ],
};

/** A backend that runs, with its guest. */
class Running {
  readonly hostPort: number;
  readonly #children: Bun.Subprocess[] = [];
  #backend = 0;
  #guest = 0;

  constructor(readonly name: string) {
    this.hostPort = 18_100 + Object.keys(backends).indexOf(name);
  }

  async start(): Promise<void> {
    const socket = join(directory, `${this.name}.sock`);
    const backend = this.#spawn(backends[this.name]?.(socket, this.hostPort, 7) ?? []);
    this.#backend = backend.pid;
    const deadline = Date.now() + 10_000;
    while (!readdirSync(directory).includes(`${this.name}.sock`)) {
      if (Date.now() > deadline) throw new Error(`${this.name} makes no socket`);
      await Bun.sleep(20);
    }
    const guest = this.#spawn(["unshare", "-n", tap, socket, "65520"]);
    this.#guest = guest.pid;
    await new Talking(guest).line();
    await new Talking(
      this.#spawn(this.inside(process.execPath, `${import.meta.dir}/support/net-echo.ts`, "7")),
    ).line();
  }

  #spawn(words: readonly string[]) {
    const child = Bun.spawn([...words], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    this.#children.push(child);
    return child;
  }

  inside(...words: readonly string[]): string[] {
    return ["nsenter", "-t", String(this.#guest), "-n", ...words];
  }

  /** Seconds of processor that it has used, its children's too: passt works in one. */
  processor(): number {
    const of = (pid: number): number => {
      const fields = readFileSync(`/proc/${pid}/stat`, "latin1")
        .replace(/^.*\) /, "")
        .split(" ");
      const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim().split(" ");
      const own = (Number(fields[11]) + Number(fields[12])) / 100;
      return children.filter((child) => child !== "").reduce((sum, child) => sum + of(Number(child)), own);
    };
    return of(this.#backend);
  }

  /** Resident memory in MiB. */
  memory(): number {
    const of = (pid: number): number => {
      const status = readFileSync(`/proc/${pid}/status`, "latin1");
      const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim().split(" ");
      const own = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
      return children
        .filter((child) => child !== "")
        .reduce((most, child) => Math.max(most, of(Number(child))), own);
    };
    return of(this.#backend);
  }

  stop(): void {
    for (const child of this.#children.reverse()) child.kill();
  }
}

async function output(words: readonly string[]): Promise<string> {
  const child = Bun.spawn([...words], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const text = await new Response(child.stdout).text();
  if ((await child.exited) !== 0) throw new Error(`${words.join(" ")}: ${text.slice(-300)}`);
  return text;
}

const contenders = Object.keys(backends).map((name) => new Running(name));
const server = Bun.spawn(["iperf3", "-s", "-B", "127.0.0.1", "-p", String(IPERF_PORT)], { stdout: "ignore" });
const echo = Bun.spawn([process.execPath, `${import.meta.dir}/support/net-echo.ts`, "15202"], {
  stdin: "ignore",
  stdout: "pipe",
  stderr: "pipe",
});
try {
  await new Talking(echo).line();
  for (const contender of contenders) await contender.start();
  const row = beginTable("The network alone", ["", ...contenders.map(({ name }) => name), "ratio"]);
  await throughput(row, "from the guest, 1 stream", []);
  await throughput(row, "to the guest, 1 stream", ["-R"]);
  await throughput(row, "from the guest, 8 streams", ["-P", "8"]);
  await throughput(row, "to the guest, 8 streams", ["-P", "8", "-R"]);
  await requests(row, "request through a published port", (running) => [
    ...[process.execPath, `${import.meta.dir}/support/net-client.ts`, "127.0.0.1", String(running.hostPort)],
  ]);
  await requests(row, "request from the guest", (running) =>
    running.inside(process.execPath, `${import.meta.dir}/support/net-client.ts`, "100.96.0.1", "15202"),
  );
  row(["resident memory afterwards, MiB", ...contenders.map((one) => one.memory().toFixed(0)), ""]);
} finally {
  for (const contender of contenders) contender.stop();
  server.kill();
  echo.kill();
  rmSync(directory, { recursive: true, force: true });
}

type Row = ReturnType<typeof beginTable>;

async function throughput(row: Row, name: string, words: readonly string[]): Promise<void> {
  const cost: Record<string, number[]> = {};
  const rates = await compare(
    contenders.map((running) => ({
      name: running.name,
      measure: async () => {
        const before = running.processor();
        const client = ["iperf3", "-J", "-t", String(SECONDS), "-c", "100.96.0.1", "-p", String(IPERF_PORT)];
        const { end } = JSON.parse(await output(running.inside(...client, ...words)));
        cost[running.name] ??= [];
        cost[running.name]?.push((running.processor() - before) / (end.sum_received.bytes / 1e9));
        return end.sum_received.bits_per_second / 1e9;
      },
    })),
    { rounds },
  );
  print(row, `${name}, Gbit/s`, rates);
  print(
    row,
    `${name}, processor seconds for a GB`,
    contenders.map((one) => ({ name: one.name, values: (cost[one.name] ?? []).slice(1), failures: [] })),
  );
}

async function requests(
  row: Row,
  name: string,
  client: (running: Running) => readonly string[],
): Promise<void> {
  const all: Record<string, Record<string, number[]>> = {};
  const keep = (running: Running, what: string, value: number) => {
    const own = all[what] ?? {};
    all[what] = own;
    own[running.name] = [...(own[running.name] ?? []), value];
  };
  await compare(
    contenders.map((running) => ({
      name: running.name,
      measure: async () => {
        const alone = (await output([...client(running), "2000", "1"])).trim().split(" ").map(Number);
        keep(running, `${name}, p50, ms`, alone[1] ?? Number.NaN);
        keep(running, `${name}, p99, ms`, alone[2] ?? Number.NaN);
        const many = (await output([...client(running), "10000", "50"])).trim().split(" ").map(Number);
        keep(running, `${name}, 50 at once, a second`, 10_000_000 / (many[0] ?? Number.NaN));
        return 0;
      },
    })),
    { rounds },
  );
  for (const [what, values] of Object.entries(all))
    print(
      row,
      what,
      contenders.map((one) => ({ name: one.name, values: values[one.name]?.slice(1) ?? [], failures: [] })),
    );
}

function print(row: Row, name: string, samples: readonly Samples[]): void {
  const medians = samples.map(({ values }) => median(values));
  const digits = (value: number) => value.toFixed(value < 10 ? 2 : 0);
  row([name, ...medians.map(digits), `${((medians[0] ?? 0) / (medians[1] ?? 0)).toFixed(2)}×`]);
}
