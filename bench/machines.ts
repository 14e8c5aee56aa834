import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { program } from "../test/support/program.ts";
import { Contender } from "./support/contender.ts";
import { measureFleet } from "./support/fleet.ts";
import { runInLab } from "./support/in-lab.ts";
import { compareLives, toolOf } from "./support/lifecycle.ts";
import { measureCommand } from "./support/measure.ts";
import { compare } from "./support/rounds.ts";
import { beginTable, printComparison } from "./support/table.ts";

/**
 * Lasting machines: what looking at many of them costs, the life of one on qemu, and on krun in the lab beside
 * upstream's. With 5 rounds about 10 minutes.
 *
 *     bun bench/machines.ts [rounds]
 */

const rounds = Number(process.argv[2] ?? 5);
const MANY = 500;
/** Started at once. */
const FLEET = 20;

const here = new Contender("smolvm", program, "qemu");
try {
  await looks();
  await compareLives("qemu: the life of a machine", [toolOf("smolvm", [program], here.env)], rounds);
  await fleet();
} finally {
  here.remove();
}
await runInLab(["lifecycle-inside.ts", String(Math.max(2, Math.floor(rounds / 2)))], compileHello);

/** Commands that only look, with many machines there; the program's own start for scale. */
async function looks(): Promise<void> {
  const many = new Contender("many", program, "qemu");
  const { env } = many;
  try {
    await many.measure(["create", "--name", "m0"]);
    const machines = `${env.XDG_DATA_HOME}/smolvm/machines`;
    const record = readFileSync(`${machines}/m0/machine.json`, "utf8");
    for (let index = 1; index < MANY; index++) {
      cpSync(`${machines}/m0`, `${machines}/m${index}`, { recursive: true });
      writeFileSync(`${machines}/m${index}/machine.json`, record.replace('"m0"', `"m${index}"`));
    }
    const timed = (...words: string[]) => ({
      name: `smolvm ${words.join(" ")}`,
      measure: async () => (await measureCommand([program, ...words], { env })).total,
    });
    const samples = await compare(
      [
        timed("--version"),
        timed("machine", "ls"),
        timed("machine", "ls", "--json"),
        timed("machine", "status", "m7"),
      ],
      { rounds: 8 * rounds, warmUp: 3 },
    );
    printComparison(`${MANY} machines: commands that only look`, samples, "smolvm --version");
  } finally {
    many.remove();
  }
}

/** Many at once: until all are ready, and what an idle one costs. */
async function fleet(): Promise<void> {
  const { milliseconds, guestMib, vmmMib, othersMib } = await measureFleet(here, FLEET, "lastingMachine");
  const columns = ["", "all ready, s", "guest, MiB each", "its VMM on the host", "its process"];
  const print = beginTable(`${FLEET} machines at once, 512 MiB and one processor each`, columns);
  const figures = [milliseconds / 1000, guestMib, vmmMib, othersMib].map((figure) => figure.toFixed(1));
  print(["smolvm", ...figures]);
}

/** What every program made with this runtime takes at least: `hello` in `directory`, which prints a word. */
async function compileHello(directory: string): Promise<void> {
  writeFileSync(`${directory}/hello.ts`, 'console.log("hello");');
  await Bun.build({
    entrypoints: [`${directory}/hello.ts`],
    target: "bun",
    bytecode: true,
    compile: { outfile: `${directory}/hello` },
  });
}
