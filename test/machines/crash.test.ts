import { expect } from "bun:test";
import { mkdirSync, readdirSync, truncateSync, writeFileSync } from "node:fs";
import { Home } from "../support/home.ts";
import { seededRandom } from "../support/random.ts";
import { onQemu, useHome } from "../support/register.ts";

/** kill -9 of commands that change machines, at random moments from their first instruction to their end. */

const home = useHome();

/** Kills of each command; each takes as long as the command does. */
const KILLS = 30;
const OVERLAY_BYTES = 4 * 1024 * 1024;

const machinesOf = ({ path }: Home) => `${path}/data/smolvm/machines`;

async function must(where: Home, ...args: string[]): Promise<string> {
  const { exitCode, stderr, output } = await where.smolvm(["machine", ...args]);
  expect({ args, exitCode, stderr }).toEqual({ args, exitCode: 0, stderr: "" });
  return output;
}

/** The names of all machines, each of which can be used. */
async function wholeMachines(where: Home): Promise<string[]> {
  const machines = JSON.parse(await must(where, "ls", "--json")) as { name: string; state: string }[];
  for (const { state } of machines) expect(state).toBe("created");
  return machines.map(({ name }) => name);
}

async function fresh(where: Home): Promise<void> {
  const names = await wholeMachines(where);
  if (names.length > 0) await must(where, "delete", "-f", ...names);
  expect(readdirSync(machinesOf(where)).filter((name) => !name.startsWith("."))).toEqual([]);
}

/** A machine with a disk that is worth copying. */
async function withDisk(where: Home): Promise<void> {
  await must(where, "create", "box");
  mkdirSync(`${machinesOf(where)}/box/data`);
  const path = `${machinesOf(where)}/box/data/overlay.ext4`;
  writeFileSync(path, Buffer.alloc(OVERLAY_BYTES, 1));
  truncateSync(path, 2 * OVERLAY_BYTES);
}

interface Case {
  readonly command: readonly string[];
  readonly before: (where: Home) => Promise<unknown>;
  /** What there may be afterwards. */
  readonly names: readonly (readonly string[])[];
}

const cases: readonly Case[] = [
  { command: ["create", "box"], before: async () => {}, names: [[], ["box"]] },
  {
    command: ["update", "box", "--cpus", "1"],
    before: (where) => must(where, "create", "box"),
    names: [["box"]],
  },
  { command: ["clone", "box", "copy"], before: withDisk, names: [["box"], ["box", "copy"]] },
  { command: ["delete", "-f", "box"], before: withDisk, names: [[], ["box"]] },
];

onQemu(
  `${KILLS} kills of each command that changes a machine`,
  async () => {
    const random = seededRandom("kill -9 of commands");
    const endure = async ({ command, before, names }: Case) => {
      const where = new Home();
      try {
        let whole = 0;
        // As long as it takes when nobody kills it, and a little longer.
        await before(where);
        const took = (await where.smolvm(["machine", ...command])).took * 1.2;
        for (let kill = 0; kill < KILLS; kill++) {
          await fresh(where);
          await before(where);
          const child = where.start(["machine", ...command]);
          await Bun.sleep(random() * took);
          child.kill("SIGKILL");
          await child.exited;
          const there = await wholeMachines(where);
          expect(names).toContainEqual(there);
          if (there.length === (names.at(-1)?.length ?? 0)) whole++;
          // It can be done again, or has been done.
          await where.smolvm(["machine", ...command]);
          if (command[0] === "clone") {
            const { size } = Bun.file(`${machinesOf(where)}/copy/data/overlay.ext4`);
            expect(size).toBe(2 * OVERLAY_BYTES);
          }
        }
        await fresh(where);
        return `${command[0]} ${whole}`;
      } finally {
        where.remove();
      }
    };
    console.log(`killed, and nevertheless there: ${(await Promise.all(cases.map(endure))).join(", ")}`);
    await home.expectNothingLeft();
  },
  300,
);
