import { Home } from "../../test/support/home.ts";
import { until } from "../../test/support/process.ts";
import { program } from "../../test/support/program.ts";
import { Contender } from "./contender.ts";
import { measureFleet } from "./fleet.ts";
import { reportMemory } from "./machine-memory.ts";
import { measureCommand } from "./measure.ts";
import { compare } from "./rounds.ts";
import { beginTable, printComparison } from "./table.ts";
import { upstreamEnv, upstreamProgram } from "./upstream-inside.ts";

/** The part of bench/krun.ts that runs inside the lab: smolvm and upstream's command line, side by side. */

const ours = "smolvm";
const theirs = "upstream smol-vmm";

const home = new Home();
const ourOptions = { env: home.env };
const theirOptions = { env: upstreamEnv, seconds: 60 };
const smolVmm = (...words: string[]) => measureCommand([upstreamProgram, "machine", ...words], theirOptions);
const smolvm = (...words: string[]) => measureCommand([program, "machine", ...words], ourOptions);

const ourRuns: number[] = [];
const theirRuns: number[] = [];
const total = (runs: number[], measured: { firstOutput: number; total: number }) => {
  runs.push(measured.total);
  return measured.firstOutput;
};
const firstOutput = await compare(
  [
    { name: theirs, measure: async () => total(theirRuns, await smolVmm("run", "--", "echo", "hello")) },
    { name: ours, measure: async () => total(ourRuns, await smolvm("run", "--", "echo", "hello")) },
  ],
  { rounds: 4 },
);
printComparison("krun in the lab: `machine run -- echo`, command to first output", firstOutput, theirs);
// Without the round that warms up.
const ends = [
  { name: theirs, values: theirRuns.slice(1), failures: [] },
  { name: ours, values: ourRuns.slice(1), failures: [] },
];
printComparison("krun in the lab: the same, command to its end", ends, theirs);
const { stderr } = await smolvm("run", "--timings", "--", "echo", "hello");
console.log(`Where the time of one of our runs goes:\n\n\`\`\`\n${stderr.trimEnd()}\n\`\`\`\n`);

const main = home.start(["machine", "run", "--name", "bench", "--", "sleep", "100000"]);
await until("our machine", () =>
  smolvm("exec", "--name", "bench", "--", "true").then(
    () => true,
    () => false,
  ),
);
await smolVmm("create", "--name", "bench");
// Its start has a limit of its own and fails now and then.
await until(
  "upstream's machine",
  () =>
    smolVmm("start", "--name", "bench").then(
      () => true,
      () => false,
    ),
  60,
);
const exec = await compare(
  [
    {
      name: theirs,
      measure: async () => (await smolVmm("exec", "--name", "bench", "--", "echo", "hello")).total,
    },
    {
      name: ours,
      measure: async () => (await smolvm("exec", "--name", "bench", "--", "echo", "hello")).total,
    },
    {
      name: "smolvm --version, for scale",
      measure: async () => (await measureCommand([program, "--version"], ourOptions)).total,
    },
    {
      name: "smol-vmm --version, for scale",
      measure: async () => (await measureCommand([upstreamProgram, "--version"], theirOptions)).total,
    },
  ],
  { rounds: 15, warmUp: 2 },
);
printComparison("krun in the lab: `machine exec -- echo`, to its end", exec, theirs);
main.kill("SIGTERM");
await main.exited;
await smolVmm("stop", "--name", "bench").catch(() => {});

// Before the fleet, which takes the longest and is the likeliest to fail.
await reportMemory(home, "Host memory of an 8 GiB machine on krun, in the lab");
home.remove();

const fleet = new Contender(ours, program, "krun");
const print = beginTable("krun in the lab: machines at once, and what each costs when idle (MiB)", [
  "machines",
  ...["all have answered, s", "guest uses", "VMM", "other processes", "overhead"],
]);
for (const count of [4, 20]) {
  const { milliseconds, guestMib, vmmMib, othersMib } = await measureFleet(fleet, count);
  const mib = [guestMib, vmmMib, othersMib, vmmMib + othersMib - guestMib].map((value) => value.toFixed(0));
  print([`${count}`, (milliseconds / 1000).toFixed(1), ...mib]);
}
fleet.remove();
