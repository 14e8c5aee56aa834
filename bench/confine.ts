import { readFileSync } from "node:fs";
import { run } from "../build/host.ts";
import { assetPath } from "../src/assets/index.ts";
import { type Confinement, type HostLayers, planLaunch, startLauncher } from "../src/confine/index.ts";
import { tryLayers } from "../src/confine/layers.ts";
import { NO_LAYERS } from "../src/confine/types.ts";
import { FIRST_USER } from "../src/confine/user.ts";
import { libraryPaths } from "../src/engine/program.ts";
import { findQemu } from "../src/engine/qemu/binary.ts";
import { program } from "../test/support/program.ts";
import { withHome } from "./support/confine-home.ts";
import { measureCommand } from "./support/measure.ts";
import { compare, median, minimum } from "./support/rounds.ts";
import { printComparison, printTable } from "./support/table.ts";

/**
 * What the layers of confinement cost a start. First the launcher alone, with each layer by itself, around a program that
 * ends at once: there a millisecond can be seen. Then one system call, with and without. Then machines that run,
 * and last whole starts with and without, and what differs within a round.
 *
 *     bun bench/confine.ts [rounds]
 */

const rounds = Number(process.argv[2] ?? 15);
/** The launcher takes a few milliseconds, a start a second. */
const LAUNCHES_PER_ROUND = 8;

const NETWORK_BYTES = 64 * 1024 * 1024;

const modes = ["off", "auto"] as const;
const NO_LAYER: Confinement = { mode: "off", host: null };

await withHome(async (env) => {
  const launcher = await assetPath("launcher", `${env.HOME}/cache`);
  const host = await tryLayers(launcher);
  await launches(launcher, host);
  await calls(launcher, host, `${env.HOME}`);
  await running(env);
  await starts(env);
});

async function launches(launcher: string, host: HostLayers): Promise<void> {
  const qemu = findQemu(process.env)?.path;
  if (qemu === undefined) throw new Error("this host has no QEMU");
  const settings: Record<string, Confinement> = {
    "no layer": NO_LAYER,
    "limits of resources": { mode: "auto", host: NO_LAYERS },
    Landlock: { mode: "auto", host: { ...NO_LAYERS, landlock: host.landlock } },
    "seccomp with a warden": { mode: "auto", host: { ...NO_LAYERS, seccomp: host.seccomp } },
    "namespaces and a root directory": { mode: "auto", host: { ...NO_LAYERS, namespaces: host.namespaces } },
    // As a machine of root's is started.
    "all that the host has": { mode: "auto", host, user: host.user === "own" ? FIRST_USER : undefined },
  };
  const samples = await compare(
    Object.entries(settings).map(([name, confinement]) => ({
      name,
      measure: async () => (await launch(launcher, [qemu, "--version"], confinement)).total,
    })),
    { rounds: rounds * LAUNCHES_PER_ROUND, warmUp: 3 },
  );
  printComparison("`qemu --version` through the launcher", samples, "no layer");
}

/** Nanoseconds of a system call that passes whatever its arguments, and of one whose arguments are checked. */
async function calls(launcher: string, host: HostLayers, directory: string): Promise<void> {
  const path = `${directory}/call-cost`;
  await run(["cc", "-O2", "-static", "-s", "-o", path, `${import.meta.dir}/support/call-cost.c`]);
  const costs = async (confinement: Confinement): Promise<{ read: number; fcntl: number }> =>
    JSON.parse((await launch(launcher, [path], confinement)).output);
  const [without, all] = [await costs(NO_LAYER), await costs({ mode: "auto", host })];
  printTable(
    "one system call, ns",
    ["", "no layer", "all that the host has"],
    [
      ["read, in the list", `${without.read}`, `${all.read}`],
      ["fcntl, arguments checked", `${without.fcntl}`, `${all.fcntl}`],
    ],
  );
}

/** A program from the thought to its end: milliseconds, and what it said. */
async function launch(launcher: string, command: [string, ...string[]], confinement: Confinement) {
  const start = performance.now();
  const order = planLaunch(
    {
      profile: "qemu",
      command,
      environment: ["LC_ALL=C"],
      paths: libraryPaths(command[0]),
      sockets: [],
      addressSpaceBytes: 2 ** 36,
      fileBytes: 2 ** 30,
      threads: 64,
    },
    confinement,
  );
  const child = startLauncher(launcher, order);
  const [output, { code }, messages] = await Promise.all([
    new Response(child.output).text(),
    child.exited,
    child.messages.text(),
  ]);
  if (code !== 0) throw new Error(messages);
  return { total: performance.now() - start, output };
}

/** Two machines, one without a layer: commands, a file on a folder of the host, the network, and memory. */
async function running(env: Record<string, string>): Promise<void> {
  const sent = new Uint8Array(NETWORK_BYTES);
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response(sent) });
  const machine = async (...words: string[]) => await measureCommand([program, "machine", ...words], { env });
  const size = ["--cpus", "1", "--mem", "512"];
  for (const mode of modes) {
    const network = ["--net", "--allow-host-loopback"];
    await machine("create", mode, ...size, ...network, "-v", `${mode}:/folder`);
    await machine("start", mode, "--confine", mode);
  }
  try {
    const compared = async (title: string, script: string, times: number) => {
      const contenders = modes.map((mode) => ({
        name: mode,
        measure: async () => (await machine("exec", "--name", mode, "--", "sh", "-c", script)).total,
      }));
      printComparison(title, await compare(contenders, { rounds: times }), "off");
    };
    await compared("`machine exec -- sh -c true`", "true", rounds * 2);
    const write = "dd if=/dev/zero of=/folder/file bs=1M count=32 conv=fsync 2>/dev/null";
    await compared("32 MiB into a folder of the host", write, Math.ceil(rounds / 3));
    const fetching = `wget -q -O /dev/null http://host.smolvm.internal:${server.port}/`;
    await compared("64 MiB from the host through the network", fetching, Math.ceil(rounds / 3));
    const memory = await Promise.all(
      modes.map(async (mode) => {
        const { vmm_pid } = JSON.parse((await machine("status", "--json", mode)).stdout);
        return [mode, mebibytes(vmm_pid).toFixed(1), mebibytes(parentOf(vmm_pid)).toFixed(2)];
      }),
    );
    printTable("memory for itself, MiB (PSS)", ["", "VMM", "its parent: the warden"], memory);
  } finally {
    await server.stop(true);
    for (const mode of modes) await machine("delete", "-f", mode);
  }
}

function mebibytes(pid: number): number {
  const [, kibibytes] = /^Pss: +(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8")) ?? [];
  return Number(kibibytes) / 1024;
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}

async function starts(env: Record<string, string>): Promise<void> {
  /** Of `--timings`, by mode and round. */
  const spans = { auto: [] as Spans[], off: [] as Spans[] };
  const start = async (mode: keyof typeof spans): Promise<number> => {
    const words = ["machine", "run", "--confine", mode, "-q", "--timings=json", "--", "true"];
    const { stderr, total } = await measureCommand([program, ...words], { env });
    spans[mode].push(JSON.parse(stderr));
    return total;
  };
  const samples = await compare(
    modes.map((mode) => ({ name: `--confine ${mode}`, measure: () => start(mode) })),
    { rounds },
  );
  printComparison("`machine run -- true`", samples, "--confine off");
  const differences = (span: string) =>
    spans.auto.map((auto, round) => (auto[span] ?? 0) - (spans.off[round]?.[span] ?? 0));
  const names = Object.keys(spans.auto[0] ?? {});
  printTable(
    "`auto` minus `off`, by span, ms",
    ["span", "median of the rounds' differences", "difference of the minima"],
    names.map((name) => [
      name,
      median(differences(name)).toFixed(1),
      (
        minimum(spans.auto.map((one) => one[name] ?? 0)) - minimum(spans.off.map((one) => one[name] ?? 0))
      ).toFixed(1),
    ]),
  );
}

type Spans = Readonly<Record<string, number>>;
