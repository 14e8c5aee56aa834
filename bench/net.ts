import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheRoot } from "../build/host.ts";
import { Talking } from "../test/support/process.ts";
import { compare, median, type Samples } from "./support/rounds.ts";
import { beginTable, oneLine } from "./support/table.ts";

/**
 * The network alone: our stack against passt (Debian's) and, where ./dev could build it, gvproxy, each with the host's
 * kernel as its guest, in a namespace behind a TAP device and the same small program (test/network/tap.c). No VM is
 * involved, so what is measured is the stack. Needs root, passt, iperf3 and a C compiler. With 3 rounds about 6 minutes.
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

/** gvisor-tap-vsock's program (`./dev bench net`, with Go 1.25 or newer). */
const gvproxy = `${cacheRoot()}/go-tools/gvproxy`;

const backends: Record<string, Backend> = {
  smolvm: (socket, hostPort, guestPort) => [
    ...[process.execPath, `${import.meta.dir}/support/net-stack.ts`, socket],
    ...[String(hostPort), String(guestPort)],
  ],
  passt: (socket, hostPort, guestPort) => [
    ...["passt", "-f", "-q", "-s", socket, "-a", "100.96.0.2", "-n", "255.255.255.252", "-g", "100.96.0.1"],
    ...["-m", "65520", "-4", "-t", `127.0.0.1/${hostPort}:${guestPort}`],
  ],
  ...(existsSync(gvproxy) && {
    gvproxy: (socket, hostPort, guestPort) => {
      const config = join(directory, "gvproxy.yaml");
      const stack = {
        mtu: 65_520,
        subnet: "100.96.0.0/24",
        gatewayIP: "100.96.0.1",
        nat: { "100.96.0.1": "127.0.0.1" },
        dns: [{ name: "containers.internal.", records: [{ name: "gateway", ip: "100.96.0.1" }] }],
        forwards: { [`127.0.0.1:${hostPort}`]: `100.96.0.2:${guestPort}` },
      };
      // JSON is YAML.
      writeFileSync(config, JSON.stringify({ interfaces: { qemu: `unix://${socket}` }, stack }));
      return [gvproxy, "-config", config];
    },
  }),
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

/** A program that takes longer than this waits for an answer that was lost. */
const LIMIT_MS = 60_000;

async function output(words: readonly string[]): Promise<string> {
  const child = Bun.spawn([...words], { stdin: "ignore", stdout: "pipe", stderr: "pipe", timeout: LIMIT_MS });
  const text = await new Response(child.stdout).text();
  await child.exited;
  if (child.signalCode === "SIGTERM") throw new Error(`no end after ${LIMIT_MS / 1000} s`);
  if (child.exitCode !== 0) throw new Error(text.slice(-300) || (await new Response(child.stderr).text()));
  return text;
}

/** Tells whether a run of a contender's counts: its first one is for warming up. */
function warmUp(): (running: Running) => boolean {
  const warm = new Set<Running>();
  return (running) => {
    const counts = warm.has(running);
    warm.add(running);
    return counts;
  };
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
  if (!existsSync(gvproxy))
    console.error("without gvproxy: ./dev bench net builds it where there is Go 1.25 or newer");
  const [, ...others] = contenders.map(({ name }) => name);
  const row = beginTable("The network alone", [
    "",
    "smolvm",
    ...others,
    ...others.map((name) => `to ${name}`),
  ]);
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
  await connections(row, 1000);
  await questions(row);
} finally {
  for (const contender of contenders) contender.stop();
  server.kill();
  echo.kill();
  rmSync(directory, { recursive: true, force: true });
}

type Row = ReturnType<typeof beginTable>;

async function throughput(row: Row, name: string, words: readonly string[]): Promise<void> {
  const cost: Record<string, number[]> = {};
  const counts = warmUp();
  const rates = await compare(
    contenders.map((running) => ({
      name: running.name,
      measure: async () => {
        const counted = counts(running);
        const before = running.processor();
        const client = ["iperf3", "-J", "-t", String(SECONDS), "-c", "100.96.0.1", "-p", String(IPERF_PORT)];
        const { end } = JSON.parse(await output(running.inside(...client, ...words)));
        const used = (running.processor() - before) / (end.sum_received.bytes / 1e9);
        if (counted) cost[running.name] = [...(cost[running.name] ?? []), used];
        return end.sum_received.bits_per_second / 1e9;
      },
    })),
    { rounds },
  );
  print(row, `${name}, Gbit/s`, rates);
  print(
    row,
    `${name}, processor seconds for a GB`,
    rates.map(({ name, failures }) => ({ name, values: cost[name] ?? [], failures })),
  );
}

async function requests(
  row: Row,
  name: string,
  client: (running: Running) => readonly string[],
): Promise<void> {
  const all: Record<string, Record<string, number[]>> = {};
  const counts = warmUp();
  const keep = (counted: boolean, running: Running, what: string, value: number) => {
    if (!counted) return;
    const own = all[what] ?? {};
    all[what] = own;
    own[running.name] = [...(own[running.name] ?? []), value];
  };
  const samples = await compare(
    contenders.map((running) => ({
      name: running.name,
      measure: async () => {
        const counted = counts(running);
        const alone = (await output([...client(running), "2000", "1"])).trim().split(" ").map(Number);
        keep(counted, running, `${name}, p50, ms`, alone[1] ?? Number.NaN);
        keep(counted, running, `${name}, p99, ms`, alone[2] ?? Number.NaN);
        const many = (await output([...client(running), "3000", "50"])).trim().split(" ").map(Number);
        const rate = 3_000_000 / (many[0] ?? Number.NaN);
        keep(counted, running, `${name}, 50 connections at once, a second`, rate);
        return 0;
      },
    })),
    { rounds },
  );
  for (const [what, values] of Object.entries(all))
    print(
      row,
      what,
      samples.map((one) => ({ ...one, values: values[one.name] ?? [] })),
    );
}

/** Connections of the guest's that stay open, each of which has carried a byte both ways. */
async function connections(row: Row, count: number): Promise<void> {
  const before = contenders.map((running) => running.memory());
  const after: number[] = [];
  for (const running of contenders) {
    const words = [`${import.meta.dir}/support/net-idle.ts`, "100.96.0.1", "15202", String(count)];
    const child = Bun.spawn(running.inside(process.execPath, ...words), {
      ...{ stdin: "ignore", stdout: "pipe", stderr: "pipe" },
    });
    await new Talking(child).line();
    after.push(running.memory());
    child.kill();
    await child.exited;
  }
  const mib = (values: readonly number[]) => values.map((value) => value.toFixed(0));
  const none = contenders.slice(1).map(() => "");
  row(["resident memory after all of this, MiB", ...mib(before), ...none]);
  row([`the same with ${count} connections, MiB`, ...mib(after), ...none]);
}

/** Questions for a name of the resolver's own; passt has none, and only passes questions on. */
async function questions(row: Row): Promise<void> {
  const names: Record<string, string> = {
    smolvm: "host.smolvm.internal",
    gvproxy: "gateway.containers.internal",
  };
  const samples = await compare(
    contenders.map((running) => ({
      name: running.name,
      measure: async () => {
        const name = names[running.name];
        if (name === undefined) throw new Error("has no names of its own");
        const words = [`${import.meta.dir}/support/net-questions.ts`, "100.96.0.1", name, "10000", "20"];
        return 10_000_000 / Number(await output(running.inside(process.execPath, ...words)));
      },
    })),
    { rounds },
  );
  print(row, "DNS answers for the resolver's own name, 20 at once, a second", samples);
}

function print(row: Row, name: string, samples: readonly Samples[]): void {
  const medians = samples.map(({ values }) => median(values));
  const digits = (value: number) => value.toFixed(value < 10 ? 2 : 0);
  const cells = samples.map(({ values, failures }, at) => {
    const failed = failures.length === 0 ? "" : `${failures.length} failed: ${oneLine(failures[0] ?? "")}`;
    if (values.length === 0) return failed;
    return failed === "" ? digits(medians[at] ?? 0) : `${digits(medians[at] ?? 0)} (${failed})`;
  });
  const ratios = medians.slice(1).map((other) => (medians[0] ?? 0) / other);
  row([name, ...cells, ...ratios.map((ratio) => (Number.isFinite(ratio) ? `${ratio.toFixed(2)}×` : "–"))]);
}
