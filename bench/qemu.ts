import { rmSync } from "node:fs";
import { Home } from "../test/support/home.ts";
import { program } from "../test/support/program.ts";
import { bareQemu } from "./support/bare-qemu.ts";
import { measureCommand } from "./support/measure.ts";
import { compare } from "./support/rounds.ts";
import { printComparison } from "./support/table.ts";

/** qemu: from the command to the first byte of output, against bare QEMU with the same kernel and a Bun program. */

const CPUS = 2;
const MEMORY_MIB = 2048;

const home = new Home();
const directory = `${home.path}/bare`;
try {
  const bare = await bareQemu(directory, { cpus: CPUS, memoryMib: MEMORY_MIB });
  const { env } = home;
  const smolvm = (...options: string[]) => [
    program,
    "machine",
    "run",
    "--engine",
    "qemu",
    ...options,
    "--",
    "echo",
    "hello",
  ];
  const same = smolvm("--cpus", `${CPUS}`, "--mem", `${MEMORY_MIB}`);
  const firstOutput = (command: string[]) => async () => (await measureCommand(command, { env })).firstOutput;
  const samples = await compare(
    [
      { name: "bare QEMU, Bun hello-world", measure: firstOutput(bare) },
      { name: "smolvm machine run", measure: firstOutput(same) },
      { name: "smolvm machine run, default size", measure: firstOutput(smolvm()) },
    ],
    { rounds: 9 },
  );
  printComparison(
    `qemu: command to first output (${CPUS} CPUs, ${MEMORY_MIB} MiB)`,
    samples,
    "bare QEMU, Bun hello-world",
  );
  const { stderr } = await measureCommand([...same.slice(0, 3), "--timings", ...same.slice(3)], { env });
  console.log(`Where the time of one run goes:\n\n\`\`\`\n${stderr.trimEnd()}\n\`\`\`\n`);
} finally {
  home.remove();
  rmSync(directory, { recursive: true, force: true });
}
