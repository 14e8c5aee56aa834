import { Home } from "../../test/support/home.ts";
import { program } from "../../test/support/program.ts";
import { compareLives, toolOf } from "./lifecycle.ts";
import { measureCommand } from "./measure.ts";
import { compare } from "./rounds.ts";
import { printComparison } from "./table.ts";
import { upstreamEnv, upstreamProgram } from "./upstream-inside.ts";

/** The part of bench/machines.ts that runs inside the lab: lives of machines, smolvm's and upstream's. */

const home = new Home();
const started = (name: string, command: readonly string[], env: Record<string, string>) => ({
  name,
  measure: async () => (await measureCommand(command, { env })).total,
});
const runtime = "the runtime alone, printing a word";
const starts = await compare(
  [
    started(runtime, ["/project/hello"], home.env),
    started("smolvm --version", [program, "--version"], home.env),
    started("upstream --version", [upstreamProgram, "--version"], upstreamEnv),
  ],
  { rounds: 12, warmUp: 2 },
);
printComparison("in the lab: what a program takes to start", starts, runtime);
await compareLives(
  "krun in the lab: the life of a machine",
  [toolOf("upstream smol-vmm", [upstreamProgram], upstreamEnv), toolOf("smolvm", [program], home.env)],
  Number(process.argv[2] ?? 3),
);
home.remove();
