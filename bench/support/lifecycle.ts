import { measureCommand } from "./measure.ts";
import { median, minimum, percentile } from "./rounds.ts";
import { beginTable } from "./table.ts";

/** The life of a lasting machine, command by command, for tools with the same words. */
export interface Tool {
  readonly name: string;
  /** Runs `machine WORDS…`; milliseconds to its end. */
  readonly run: (...words: string[]) => Promise<number>;
}

/** A tool that is started with this command. */
export function toolOf(name: string, command: readonly string[], env: Record<string, string>): Tool {
  return {
    name,
    run: async (...words) =>
      (await measureCommand([...command, "machine", ...words], { env, seconds: 180 })).total,
  };
}

const NAME = "bench";

/** What is measured, in the order in which it has to happen. */
const steps: readonly (readonly [what: string, words: readonly string[]])[] = [
  ["create", ["create", "--name", NAME, "--cpus", "1", "--mem", "1024"]],
  ["start, until it is ready", ["start", "--name", NAME]],
  ["exec -- true", ["exec", "--name", NAME, "--", "true"]],
  ["status", ["status", "--name", NAME]],
  ["stop", ["stop", "--name", NAME]],
  ["start again", ["start", "--name", NAME]],
  ["delete -f of a running one", ["delete", "--name", NAME, "-f"]],
];

/** How often a step is repeated within a round: what changes nothing can be. */
const repeats: Readonly<Record<string, number>> = { "exec -- true": 8, status: 4 };

/** Lives through `rounds` lives of each tool in turn, and prints what each step took. */
export async function compareLives(title: string, tools: readonly Tool[], rounds: number): Promise<void> {
  const times = new Map<string, Map<string, number[]>>();
  const failures = new Map<string, number>();
  for (let round = -1; round < rounds; round++) {
    for (let turn = 0; turn < tools.length; turn++) {
      const tool = tools[(turn + round + 1) % tools.length] as Tool;
      try {
        await live(tool, (what, ms) => {
          if (round < 0) return;
          const perTool = times.get(what) ?? new Map<string, number[]>();
          times.set(what, perTool);
          perTool.set(tool.name, [...(perTool.get(tool.name) ?? []), ms]);
        });
      } catch (error) {
        failures.set(tool.name, (failures.get(tool.name) ?? 0) + 1);
        console.error(`${tool.name}: ${error}`);
        await tool.run("delete", "--name", NAME, "-f").catch(() => {});
      }
    }
  }
  const [reference] = tools;
  const print = beginTable(title, [
    "",
    "",
    "runs",
    "median ms",
    "min",
    "p95",
    "median to first",
    "min to first",
  ]);
  for (const [what] of steps) {
    const perTool = times.get(what);
    const base = perTool?.get(reference?.name ?? "") ?? [];
    for (const [name, values] of perTool ?? []) {
      const ratio = (of: (values: readonly number[]) => number) =>
        values === base || base.length === 0 ? "" : `${(of(values) / of(base)).toFixed(2)}×`;
      const cells = [median(values), minimum(values), percentile(values, 0.95)].map((value) =>
        value.toFixed(1),
      );
      print([what, name, String(values.length), ...cells, ratio(median), ratio(minimum)]);
    }
  }
  for (const [name, count] of failures) console.log(`\n${name}: ${count} lives failed.`);
}

async function live(tool: Tool, note: (what: string, ms: number) => void): Promise<void> {
  for (const [what, words] of steps) {
    for (let time = 0; time < (repeats[what] ?? 1); time++) note(what, await tool.run(...words));
  }
}
