import { program } from "../test/support/program.ts";
import { withHome } from "./support/confine-home.ts";

/** Starts of a throw-away machine, in turns with and without confinement: what the layers cost. Milliseconds. */
const ROUNDS = 15;

const times = { auto: [] as number[], off: [] as number[] };
await withHome(async (env) => {
  const once = (mode: "auto" | "off"): number => {
    const start = performance.now();
    const run = Bun.spawnSync([program, "machine", "run", "--confine", mode, "-q", "--", "true"], { env });
    if (run.exitCode !== 0) throw new Error(run.stderr.toString());
    return performance.now() - start;
  };
  once("auto");
  for (let round = 0; round < ROUNDS; round++)
    for (const mode of round % 2 === 0 ? (["auto", "off"] as const) : (["off", "auto"] as const))
      times[mode].push(once(mode));
});
for (const [mode, list] of Object.entries(times)) {
  const sorted = list.toSorted((a, b) => a - b);
  const at = (part: number) => sorted[Math.floor((sorted.length - 1) * part)]?.toFixed(1);
  console.log(`${mode.padEnd(6)} min ${at(0)}  median ${at(0.5)}  max ${at(1)} ms`);
}
