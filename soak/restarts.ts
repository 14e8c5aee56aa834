/**
 * A machine that its policy starts again: its VM is killed again and again, its workload too, and its process must not
 * grow.
 *
 *     ./dev soak restarts [KILLS]
 */
import { resolvePaths } from "../src/config/paths.ts";
import { readState } from "../src/machine/store/index.ts";
import { Machines } from "../test/support/machines.ts";
import { until } from "../test/support/process.ts";
import { Table } from "./support/flat.ts";
import { anonymousKib, descriptorsOf, diskKib } from "./support/host.ts";
import { countOr, say, soak } from "./support/options.ts";

const KILLS = countOr(300);

const home = new Machines();
const paths = resolvePaths(home.env);
const state = () => readState(paths, "box");

/** Resolves when the workload runs that has begun after this moment, in milliseconds since the epoch. */
async function runsSince(moment: number): Promise<void> {
  const isRunning = () => {
    const { phase, workload } = state() ?? {};
    return phase === "running" && workload?.end === null && workload.startedAt >= moment;
  };
  await until("the workload to run again", isRunning, 120);
}

async function kill(number: number) {
  const start = Date.now();
  // Every third time only what runs in it.
  if (number % 3 === 2) await home.machine(["exec", "box", "--", "pkill", "-9", "sleep"]);
  else await home.powerCut("box");
  await runsSince(start);
  const backMs = Date.now() - start;
  await home.sh("box", `echo ${number} >> /var/kills; sync /var/kills`);
  const { pid = 0 } = state() ?? {};
  return {
    backMs,
    descriptors: descriptorsOf(pid),
    memoryMib: Math.round(anonymousKib(pid) / 102.4) / 10,
    diskMib: Math.round(diskKib(home.directoryOf("box")) / 102.4) / 10,
    files: home.remains().length,
    restarts: state()?.restarts ?? 0,
  };
}

await soak(async () => {
  try {
    const words = ["--restart", "always", "--restart-backoff", "1s", "--overlay", "1", "--storage", "1"];
    await home.create("box", ...words, "--", "sleep", "1000000");
    await home.ok("start", "box");
    const { pid } = state() ?? {};
    const table = new Table("kill", 10);
    for (let number = 0; number < KILLS; number++) table.add(await kill(number));
    say(table.summary("backMs"));
    table.expectFlat("descriptors", 0);
    table.expectFlat("files", 0);
    // It keeps what is known of the last 64 processes that have ended.
    table.expectFlat("memoryMib", 0.15);
    if (state()?.pid !== pid) throw new Error("it has another process");
    const kills = await home.sh("box", "wc -l < /var/kills");
    if (Number(kills) !== KILLS) throw new Error(`of ${KILLS} flushed lines ${kills} are there`);
    await home.deleteAll();
    await home.expectNothingLeft();
  } finally {
    await home.deleteAll();
    home.remove();
  }
});
