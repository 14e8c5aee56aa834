import { McpClient } from "../test/mcp/client.ts";
import { Machines } from "../test/support/machines.ts";
import { compare } from "./support/rounds.ts";
import { printComparison } from "./support/table.ts";

/**
 * Tools for models, against the same by the command line, and what their list costs a model.
 *
 *     bun bench/mcp.ts
 */

const machines = new Machines();
/** What `run` and `exec` of both sides make their machines of. */
const SIZE = ["--cpus", "1", "--mem", "256"];

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

try {
  const client = new McpClient(machines, ["--max-cpus", "1", "--max-mem", "512", "--max-machines", "2"]);
  const run = "machine run -- echo";
  const runs = await compare(
    [
      { name: run, measure: () => timed(() => machines.ok("run", "--quiet", ...SIZE, "--", "echo", "hi")) },
      { name: "run", measure: () => timed(() => client.call("run", { command: ["echo", "hi"] })) },
    ],
    { rounds: 8, warmUp: 1 },
  );
  printComparison("A command in a fresh machine, until nothing of it is left", runs, run);

  await machines.create("bench");
  await machines.ok("start", "bench");
  await client.call("exec", { command: ["true"] });
  const exec = "machine exec -- true";
  const execs = await compare(
    [
      { name: exec, measure: () => timed(() => machines.ok("exec", "--name", "bench", "--", "true")) },
      { name: "exec", measure: () => timed(() => client.call("exec", { command: ["true"] })) },
    ],
    { rounds: 40, warmUp: 3 },
  );
  printComparison("A command in a machine that runs", execs, exec);

  const { result } = await client.ask("tools/list");
  const bytes = Buffer.byteLength(JSON.stringify(result.tools));
  console.log(
    `\nThe list of ${result.tools.length} tools: ${bytes} bytes, at most ${Math.ceil(bytes / 3)} tokens.`,
  );
  await client.end();
  await machines.ok("delete", "-f", "bench");
} finally {
  machines.remove();
}
