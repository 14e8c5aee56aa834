import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../build/host.ts";
import { Backend, backendNames, outputOf, ownNames, startPeer } from "./support/net-backend.ts";
import { type Guest, makeGuestDisk, namespaceGuest, virtualGuest } from "./support/net-guest.ts";
import { compare, median, type Samples } from "./support/rounds.ts";
import { beginTable, oneLine } from "./support/table.ts";

/**
 * Our stack against passt (Debian's) and, where ./dev could build it, gvproxy: alone, with this host's kernel as the guest
 * of each, in a namespace behind a TAP device; then behind the same virtual machine of QEMU's. Needs root, passt, iperf3,
 * busybox-static and a C compiler. With 3 rounds about 15 minutes.
 *
 *     bun bench/net.ts [rounds] [alone | virtual]
 */

const rounds = Number(process.argv[2] ?? 3);
const only = process.argv[3];
const SECONDS = 3;
/** Of this host's loopback: what answers each guest's requests, and a server of iperf3's for each guest. */
const [ANSWERS, IDLE, IPERF, PUBLISHED] = [15_202, 15_203, 15_210, 18_100];
const directory = mkdtempSync(join(tmpdir(), "smolvm-bench-net-"));
// passt gives up its privileges, and has to connect nothing but to make its socket.
await run(["chmod", "0777", directory]);
const peer = join(directory, "net-peer");
await run(["cc", "-O2", "-static", "-o", peer, `${import.meta.dir}/support/net-peer.c`]);
await run(["cc", "-O2", "-o", join(directory, "tap"), `${import.meta.dir}/../test/network/tap.c`]);

/** A backend with its guest, and the guest's server of iperf3's on this host. */
interface Contender {
  readonly name: string;
  readonly backend: Backend;
  readonly guest: Guest;
  readonly iperfPort: string;
}

/** How much is asked of a guest: an emulated one is ten times slower. */
interface Load {
  readonly requests: number;
  readonly atOnce: number;
  readonly questions: number;
}

type Row = ReturnType<typeof beginTable>;

try {
  if (only !== "virtual") {
    const load = { requests: 2000, atOnce: 3000, questions: 10_000 };
    await measureAll("The network alone", (socket) => namespaceGuest(directory, socket), load);
  }
  if (only !== "alone") {
    await makeGuestDisk(directory);
    const load = { requests: 300, atOnce: 1000, questions: 2000 };
    await measureAll("Behind the same guest of QEMU's", (socket) => virtualGuest(directory, socket), load);
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}

async function measureAll(title: string, begin: (socket: string) => Promise<Guest>, load: Load) {
  const running: { stop(): void }[] = [];
  const keep = <T>(one: T, stop: () => void): T => {
    running.push({ stop });
    return one;
  };
  const serve = async (...words: string[]) => {
    const child = await startPeer([peer, ...words]);
    keep(child, () => child.kill());
  };
  try {
    await serve("once", String(ANSWERS));
    await serve("echo", String(IDLE));
    await serve("answers");
    const contenders: Contender[] = [];
    for (const [at, name] of backendNames.entries()) {
      const iperfPort = String(IPERF + at);
      const server = Bun.spawn(["iperf3", "-s", "-B", "127.0.0.1", "-p", iperfPort], { stdout: "ignore" });
      keep(server, () => server.kill());
      const backend = await Backend.start(name, directory, PUBLISHED + at);
      keep(backend, () => backend.stop());
      const guest = await begin(backend.socket);
      keep(guest, () => guest.stop());
      contenders.push({ name, backend, guest, iperfPort });
    }
    const [, ...others] = backendNames;
    const row = beginTable(title, ["", "smolvm", ...others, ...others.map((name) => `to ${name}`)]);
    await throughput(row, contenders, "from the guest, 1 stream", []);
    await throughput(row, contenders, "to the guest, 1 stream", ["-R"]);
    await throughput(row, contenders, "from the guest, 8 streams", ["-P", "8"]);
    await throughput(row, contenders, "to the guest, 8 streams", ["-P", "8", "-R"]);
    await requests(row, contenders, load, "through a published port", ({ backend }, ...words) =>
      outputOf([peer, "requests", "127.0.0.1", String(backend.hostPort), ...words]),
    );
    await requests(row, contenders, load, "from the guest", ({ guest }, ...words) =>
      guest.inside("net-peer", "requests", "100.96.0.1", String(ANSWERS), ...words),
    );
    await questions(row, contenders, load);
    await connections(row, contenders, 1000);
  } finally {
    for (const one of running.reverse()) one.stop();
  }
}

/** Tells whether a run of a contender's counts: its first one is for warming up. */
function warmUp(): (contender: Contender) => boolean {
  const warm = new Set<Contender>();
  return (contender) => {
    const counts = warm.has(contender);
    warm.add(contender);
    return counts;
  };
}

/** Values of several kinds, from the runs that count. */
class Kept {
  readonly #all = new Map<string, Map<string, number[]>>();

  add(what: string, name: string, value: number): void {
    const of = this.#all.get(what) ?? new Map<string, number[]>();
    this.#all.set(what, of);
    of.set(name, [...(of.get(name) ?? []), value]);
  }

  /** A row for each kind. @param samples whose failures count */
  print(row: Row, samples: readonly Samples[]): void {
    for (const [what, of] of this.#all)
      print(
        row,
        what,
        samples.map((one) => ({ ...one, values: of.get(one.name) ?? [] })),
      );
  }
}

async function throughput(
  row: Row,
  contenders: readonly Contender[],
  name: string,
  words: readonly string[],
) {
  const kept = new Kept();
  const counts = warmUp();
  const samples = await compare(
    contenders.map((contender) => ({
      name: contender.name,
      measure: async () => {
        const { backend, guest, iperfPort } = contender;
        const counted = counts(contender);
        const before = backend.processor();
        const client = ["-i", "0", "-f", "k", "-t", String(SECONDS), "-c", "100.96.0.1", "-p", iperfPort];
        const { rate, bytes } = received(await guest.inside("iperf3", ...client, ...words));
        if (!counted) return 0;
        kept.add(`${name}, Gbit/s`, contender.name, rate / 1e9);
        const cost = (backend.processor() - before) / (bytes / 1e9);
        kept.add(`${name}, processor seconds for a GB`, contender.name, cost);
        return 0;
      },
    })),
    { rounds },
  );
  kept.print(row, samples);
}

/** Of iperf3's last line: bits a second, and bytes. Its JSON is too long for the console of a virtual guest, which loses some. */
function received(text: string): { readonly rate: number; readonly bytes: number } {
  const line = /-([\d.]+) +sec .* (\d+) Kbits\/sec .*receiver/.exec(
    text.split("\n").findLast((one) => one.includes("receiver")) ?? "",
  );
  if (line === null) throw new Error(text);
  const rate = Number(line[2]) * 1000;
  return { rate, bytes: (rate * Number(line[1])) / 8 };
}

async function requests(
  row: Row,
  contenders: readonly Contender[],
  load: Load,
  way: string,
  ask: (contender: Contender, ...words: string[]) => Promise<string>,
) {
  const kept = new Kept();
  const counts = warmUp();
  const samples = await compare(
    contenders.map((contender) => ({
      name: contender.name,
      measure: async () => {
        const counted = counts(contender);
        const numbers = async (...words: string[]) =>
          (await ask(contender, ...words)).trim().split(" ").map(Number);
        const [, p50 = Number.NaN, p99 = Number.NaN] = await numbers(String(load.requests), "1");
        const [took = Number.NaN] = await numbers(String(load.atOnce), "50");
        if (!counted) return 0;
        kept.add(`request ${way}, median, ms`, contender.name, p50);
        kept.add(`request ${way}, 99th percentile, ms`, contender.name, p99);
        kept.add(`connections ${way}, 50 at once, a second`, contender.name, (1000 * load.atOnce) / took);
        return 0;
      },
    })),
    { rounds },
  );
  kept.print(row, samples);
}

/** Connections of the guest's that stay open, each of which has carried a byte both ways. */
async function connections(row: Row, contenders: readonly Contender[], count: number): Promise<void> {
  const cells = async (measure: (contender: Contender) => Promise<void>) => {
    const all: string[] = [];
    for (const contender of contenders) {
      const failure = await measure(contender).catch((error: Error) => error);
      all.push(failure === undefined ? contender.backend.memory().toFixed(0) : oneLine(failure.message));
    }
    return [...all, ...contenders.slice(1).map(() => "")];
  };
  row(["resident memory after all of this, MiB", ...(await cells(async () => {}))]);
  const open = async ({ guest }: Contender) => {
    await guest.inside("net-peer", "idle", "100.96.0.1", String(IDLE), String(count), "5");
  };
  row([`the same with ${count} connections, MiB`, ...(await cells(open))]);
}

async function questions(row: Row, contenders: readonly Contender[], load: Load): Promise<void> {
  const samples = await compare(
    contenders.map(({ name, guest }) => ({
      name,
      measure: async () => {
        const words = ["questions", "100.96.0.1", ownNames[name] ?? "", String(load.questions), "20"];
        return (1000 * load.questions) / Number(await guest.inside("net-peer", ...words));
      },
    })),
    { rounds },
  );
  print(row, "DNS answers (passt's are this host's), 20 at once, a second", samples);
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
