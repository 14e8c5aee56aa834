import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { run } from "../build/host.ts";
import { compileSdk } from "../build/sdk/compile.ts";
import { type Machine, Smolvm } from "../sdk/src/index.ts";
import { Machines, SMALL } from "../test/support/machines.ts";
import { program } from "../test/support/program.ts";
import { compare } from "./support/rounds.ts";
import { printComparison } from "./support/table.ts";

/** Machines from a program of one's own, against the same by the command line. */

const machines = new Machines();
// The client's child has the environment of this process.
Object.assign(process.env, machines.env);
const client = new Smolvm({ bin: program });

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

const byCommand = (...words: string[]) => timed(() => machines.ok(...words));

async function execs(machine: Machine): Promise<void> {
  const commandLine = "machine exec -- true";
  const samples = await compare(
    [
      { name: commandLine, measure: () => byCommand("exec", "--name", machine.name, "--", "true") },
      { name: "machine.exec()", measure: () => timed(() => machine.exec(["true"])) },
    ],
    { rounds: 40, warmUp: 3 },
  );
  printComparison("A command in a machine that runs", samples, commandLine);
}

async function firstOutput(): Promise<void> {
  const commandLine = "machine run -- echo";
  const samples = await compare(
    [
      { name: commandLine, measure: () => byCommand("run", "--quiet", ...SMALL, "--", "echo", "hello") },
      {
        name: "create, exec, delete",
        measure: () =>
          timed(async () => {
            const machine = await client.create({ cpus: 1, memoryMiB: 256 });
            await machine.exec(["echo", "hello"]);
            await machine.delete();
          }),
      },
    ],
    { rounds: 12, warmUp: 1 },
  );
  printComparison("A machine for one command, until nothing of it is left", samples, commandLine);
}

/** Inside a program of Node: what the package that npm installs adds to it, beside a module that has nothing in it. */
async function imports(): Promise<void> {
  const node = Bun.which("node");
  if (node === null) throw new Error("there is no node in PATH");
  const place = mkdtempSync("/tmp/bench-import-");
  writeFileSync(`${place}/package.json`, '{"type":"module"}');
  writeFileSync(`${place}/empty.js`, "export {};\n");
  for (const { path, text } of await compileSdk()) writeFileSync(`${place}/${path}`, text);
  const importing = (file: string) => async () => {
    const script = `const begun = performance.now();
      await import(${JSON.stringify(`${place}/${file}`)});
      console.log(performance.now() - begun);`;
    return Number(await run([node, "--input-type=module", "-e", script], { env: machines.env }));
  };
  const nothing = "import of an empty module";
  const samples = await compare(
    [
      { name: nothing, measure: importing("empty.js") },
      { name: "import of the package", measure: importing("index.js") },
    ],
    { rounds: 40, warmUp: 2 },
  );
  printComparison("Node", samples, nothing);
  rmSync(place, { recursive: true });
}

try {
  const machine = await client.create({ cpus: 1, memoryMiB: 256 });
  await execs(machine);
  await machine.delete();
  await firstOutput();
  await imports();
} finally {
  await client.close();
  machines.remove();
}
