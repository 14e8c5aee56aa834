/**
 * kill -9 of a program with machines, of its child, and of a machine's process, at random moments; then many machines of
 * one program at once.
 *
 *     ./dev soak sdk [CYCLES]
 *
 * After each kill no process is left, no machine is seen, and what was pending in the program has failed with a code.
 */
import { rmSync } from "node:fs";
import { dirname } from "node:path";
import { bundle } from "../test/sdk/bundle.ts";
import { Machines } from "../test/support/machines.ts";
import { Talking, until } from "../test/support/process.ts";
import { program } from "../test/support/program.ts";
import { seededRandom } from "../test/support/random.ts";
import { countOr, say, soak } from "./support/options.ts";

const CYCLES = countOr(60);
/** Machines of the program that is killed, and of the one that is not. */
const FEW = 3;
const MANY = 50;
/** From before its child runs to long after its machines do, in milliseconds. */
const LATEST_KILL_MS = 5000;

const random = seededRandom("soak/sdk.ts");
const machines = new Machines();
const embedder = await bundle(`${import.meta.dir}/../test/sdk/embedder.ts`);

function embed(count: number): Talking {
  const names = Array.from({ length: count }, (_, at) => `m${at}`);
  const env = { ...machines.env, SMOLVM_BIN: program };
  const command = [process.execPath, embedder, "delete", ...names];
  return new Talking(
    Bun.spawn(command, { cwd: machines.path, env, stdin: "ignore", stdout: "pipe", stderr: "pipe" }),
  );
}

/** The process that is to be killed; undefined: it is not there yet. */
function victimOf(which: "program" | "child" | "machine", program: number): number | undefined {
  if (which === "program") return program;
  const role = which === "child" ? "__sdk" : "__machine";
  return machines.processes().find(({ command }) => command.split(" ")[1] === role)?.pid;
}

const tally: Record<string, number> = {};
const count = (what: string) => {
  tally[what] = (tally[what] ?? 0) + 1;
};

async function cycle(): Promise<void> {
  const which = (["program", "child", "machine"] as const)[Math.floor(random() * 3)] ?? "program";
  const { child } = embed(FEW);
  await Bun.sleep(random() * LATEST_KILL_MS);
  const victim = victimOf(which, child.pid);
  count(victim === undefined ? `no ${which} yet` : which);
  if (victim !== undefined) process.kill(victim, "SIGKILL");
  child.kill(which === "program" ? "SIGKILL" : "SIGTERM");
  await child.exited;
  await until("the end of all processes", () => machines.processes().length === 0, 60);
  const left = await machines.names();
  if (left.length > 0) throw new Error(`after the end of the ${which}: ${left}`);
}

async function many(): Promise<void> {
  const begun = performance.now();
  const talking = embed(MANY);
  for (let running = 0; running < MANY; running++) {
    const line = await talking.line();
    if (!line.startsWith("running ")) throw new Error(line);
  }
  say(`${MANY} machines run after ${Math.round((performance.now() - begun) / 1000)} s`);
  talking.child.kill("SIGKILL");
  await talking.child.exited;
  await machines.expectNothingLeft();
}

await soak(async () => {
  try {
    for (let done = 0; done < CYCLES; done++) await cycle();
    say(JSON.stringify(tally));
    await many();
  } finally {
    machines.remove();
    rmSync(dirname(embedder), { recursive: true });
  }
});
