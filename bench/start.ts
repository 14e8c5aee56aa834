import { statSync } from "node:fs";
import { TemplateStore } from "../src/machine/template/index.ts";
import { debianImage } from "../test/support/debian.ts";
import { until } from "../test/support/process.ts";
import { program } from "../test/support/program.ts";
import { bareQemu } from "./support/bare-qemu.ts";
import { programBefore } from "./support/before.ts";
import { Contender } from "./support/contender.ts";
import { type Fleet, measureFleet } from "./support/fleet.ts";
import { measureCommand } from "./support/measure.ts";
import { compare, median, minimum, percentile, type Samples } from "./support/rounds.ts";
import { beginTable } from "./support/table.ts";

/**
 * qemu: what a start, an exec, bytes and an idle machine cost, against the program of the time when guests ran Bun, and
 * against QEMU with the same kernel and nothing in it. With 9 rounds 8 minutes, once both programs and the image are there.
 *
 *     bun bench/start.ts [rounds]
 */

const rounds = Number(process.argv[2] ?? 9);
const MACHINES = 20;
const MEBI = 1024 * 1024;
const IN_BYTES = 100 * MEBI;
const OUT_BYTES = 1024 * MEBI;

const before = new Contender("before", await programBefore(), "qemu");
const now = new Contender("now", program, "qemu");
const both = [before, now];
/** Its machines go on from a saved guest, which the first one has made. */
const saved = new Contender("saved", program, "qemu", { SMOLVM_TEMPLATES: "eager" });
/** Small, so that two of them do not get into each other's way. */
const SMALL = ["--cpus", "1", "--mem", "1024"];
/** With the same programs in both. */
const DEBIAN = ["--image", await debianImage()];

const print = beginTable("qemu: before, and now", [
  ...["", "", "runs", "median", "min", "p95"],
  ...["median to before", "min", "p95", "median to bare", "min"],
]);
try {
  await starts();
  await execs("the built-in image of each", []);
  await execs("the same Debian image", DEBIAN);
  await streams();
  sizes();
  await fleets();
  const { stderr } = await now.measure(["run", "--timings", "--", "echo", "hello"]);
  console.log(`\nWhere the time of one run goes:\n\n\`\`\`\n${stderr.trimEnd()}\n\`\`\``);
} finally {
  for (const contender of [...both, saved]) contender.remove();
}

async function starts(): Promise<void> {
  // What a machine has when nobody says anything.
  const size = { cpus: Math.min(4, navigator.hardwareConcurrency), memoryMib: 8192 };
  const bare = await bareQemu(`${now.env.HOME}/bare`, size);
  const hello = (contender: Contender) => async () =>
    (await contender.measure(["run", "--", "echo", "hello"])).firstOutput;
  await hello(saved)();
  await untilSaved(saved);
  const samples = await compare(
    [
      { name: "before", measure: hello(before) },
      {
        name: "bare QEMU, an init that prints from C",
        measure: async () => (await measureCommand(bare)).firstOutput,
      },
      { name: "now, the kernel boots", measure: hello(now) },
      { name: "now, from a saved guest", measure: hello(saved) },
    ],
    { rounds, warmUp: 2 },
  );
  report("command to first output, default size", samples, "ms");
  const ends = await compare(
    both.map((contender) => ({ name: contender.name, measure: () => teardown(contender) })),
    { rounds: Math.max(3, rounds / 2), warmUp: 0 },
  );
  report("workload's last output to the end of `machine run`", ends, "ms");
}

/** A maker has its lock for as long as it works. */
async function untilSaved({ env }: Contender): Promise<void> {
  const store = new TemplateStore(`${env.XDG_CACHE_HOME}/smolvm`);
  const isThere = () => store.report().count > 0 || store.report().failures.length > 0;
  await until("the guest to be saved", isThere, 300);
  const { failures } = store.report();
  if (failures.length > 0) throw new Error(`no guest was saved: ${failures.join("; ")}`);
}

/** Milliseconds from the output of a command that ends with it to the end of `machine run`. */
async function teardown(contender: Contender): Promise<number> {
  const child = contender.start(["run", "--", "echo", "hello"]);
  const reader = child.stdout.getReader();
  await reader.read();
  const begin = performance.now();
  const code = await child.exited;
  const milliseconds = performance.now() - begin;
  if (code !== 0) throw new Error(`exit ${code}: ${await new Response(child.stderr).text()}`);
  return milliseconds;
}

/** Both programs with a running machine each. */
async function withMachines(options: readonly string[], work: () => Promise<void>): Promise<void> {
  const ends = await Promise.all(both.map((contender) => contender.machine("bench", [...SMALL, ...options])));
  try {
    await work();
  } finally {
    await Promise.all(ends.map((end) => end()));
  }
}

async function execs(image: string, options: readonly string[]): Promise<void> {
  await withMachines(options, async () => {
    const samples = await compare(
      both.map((contender) => ({
        name: contender.name,
        measure: async () => (await contender.measure(["exec", "--name", "bench", "--", "true"])).total,
      })),
      { rounds: 8 * rounds, warmUp: 5 },
    );
    report(`\`machine exec -- true\`, there and back, ${image}`, samples, "ms");
  });
}

async function streams(): Promise<void> {
  const payload = new Blob([new Uint8Array(IN_BYTES)]);
  await withMachines(DEBIAN, async () => {
    const into = await compare(
      both.map((contender) => ({ name: contender.name, measure: () => send(contender, payload) })),
      { rounds: 3 },
    );
    report(`${IN_BYTES / MEBI} MiB into \`cat\``, speeds(into, IN_BYTES), "MiB/s");
    // A minute for one of them.
    const out = await compare(
      both.map((contender) => ({ name: contender.name, measure: () => receive(contender) })),
      { rounds: 1, warmUp: 0 },
    );
    report(`${OUT_BYTES / MEBI} MiB out of \`cat\``, speeds(out, OUT_BYTES), "MiB/s");
  });
}

async function send(contender: Contender, payload: Blob): Promise<number> {
  const begin = performance.now();
  const words = ["exec", "-i", "--name", "bench", "--", "sh", "-c", "cat | wc -c"];
  const child = contender.start(words, payload);
  const output = await new Response(child.stdout).text();
  await child.exited;
  if (output.trim() !== String(IN_BYTES)) throw new Error(`${output.trim()} bytes arrived, not ${IN_BYTES}`);
  return performance.now() - begin;
}

async function receive(contender: Contender): Promise<number> {
  const begin = performance.now();
  const child = contender.start([
    ...["exec", "--name", "bench", "--", "sh", "-c", `head -c ${OUT_BYTES} /dev/zero | cat`],
  ]);
  let bytes = 0;
  for await (const chunk of child.stdout) bytes += chunk.length;
  await child.exited;
  if (bytes !== OUT_BYTES) throw new Error(`${bytes} bytes came out, not ${OUT_BYTES}`);
  return performance.now() - begin;
}

function speeds(samples: readonly Samples[], bytes: number): Samples[] {
  return samples.map((one) => ({ ...one, values: one.values.map((ms) => bytes / MEBI / (ms / 1000)) }));
}

async function fleets(): Promise<void> {
  const results: Record<string, Fleet[]> = { before: [], now: [] };
  for (let round = 0; round < 2; round++) {
    for (const contender of both) results[contender.name]?.push(await measureFleet(contender, MACHINES));
  }
  const samples = (value: (fleet: Fleet) => number): Samples[] =>
    Object.entries(results).map(([name, fleets]) => ({ name, values: fleets.map(value), failures: [] }));
  report(
    `${MACHINES} machines at once, until all have answered`,
    samples(({ milliseconds }) => milliseconds),
    "ms",
  );
  const parts: [string, (fleet: Fleet) => number][] = [
    ["beyond what its guest uses", ({ vmmMib, othersMib, guestMib }) => vmmMib + othersMib - guestMib],
    ["what its guest uses", ({ guestMib }) => guestMib],
    ["the VMM", ({ vmmMib }) => vmmMib],
    ["the command and the machine process", ({ othersMib }) => othersMib],
  ];
  for (const [what, value] of parts) report(`host memory of each, idle: ${what}`, samples(value), "MiB");
}

function sizes(): void {
  const samples = both.map(({ name, program }) => ({
    name,
    values: [statSync(program).size / 1e6],
    failures: [],
  }));
  report("size of the program", samples, "MB");
}

/** Prints what was measured: for each contender how it is by itself, and against others. */
function report(measure: string, samples: readonly Samples[], unit: string): void {
  const bare = samples.find(({ name }) => name.startsWith("bare"))?.values ?? [];
  const old = samples.find(({ name }) => name === "before")?.values ?? [];
  const digits = (value: number) => value.toFixed(value < 100 ? 1 : 0);
  for (const { name, values, failures } of samples) {
    const ratios = (to: readonly number[], ...of: (typeof median)[]) =>
      of.map((one) => (to.length === 0 || to === values ? "" : `${(one(values) / one(to)).toFixed(2)}×`));
    const failed = failures.length === 0 ? "" : ` (${failures.length} failed: ${failures[0]?.slice(0, 80)})`;
    print([
      `${measure}, ${unit}`,
      `${name}${failed}`,
      String(values.length),
      ...[median(values), minimum(values), p95(values)].map(digits),
      ...ratios(old, median, minimum, p95),
      ...ratios(bare, median, minimum),
    ]);
  }
}

function p95(values: readonly number[]): number {
  return percentile(values, 0.95);
}
