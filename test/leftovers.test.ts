import { describe, expect } from "bun:test";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { resolvePaths } from "../src/config/paths.ts";
import { socketPaths } from "../src/machine/store/index.ts";
import { Home } from "./support/home.ts";
import { until } from "./support/process.ts";
import { inLab, slowness } from "./support/program.ts";
import { seededRandom } from "./support/random.ts";
import { onBoth, onQemu, useHome } from "./support/register.ts";

/** Nothing is left behind, whoever is killed, whenever. `useHome` checks that after each test. */

const home = useHome();
const WORK = ["sh", "-c", "echo started; exec sleep 1000"];

/** Somewhere in here is everything from the first instruction to a machine that has run for a while. */
const LONGEST_DELAY_MS = 3500 * slowness;

async function killAfter(where: Home, delay: number): Promise<void> {
  const child = where.startRun(WORK);
  await Bun.sleep(delay);
  child.kill("SIGKILL");
  await child.exited;
  await where.expectNothingLeft().catch((error) => {
    throw new Error(`after kill -9 at ${delay} ms: ${error.message}`);
  });
}

describe("kill -9 of the command line", () => {
  const count = inLab ? 4 : 50;
  onBoth(
    `at ${count} random moments leaves nothing`,
    async () => {
      const random = seededRandom("kill -9");
      // Early moments are the interesting ones, so half of them are in the first tenth.
      const delays = Array.from({ length: count }, (_, at) =>
        Math.floor(random() * LONGEST_DELAY_MS * (at % 2 ? 1 : 0.1)),
      );
      const homes = inLab ? [home] : [home, new Home()];
      const take = async (where: Home) => {
        for (let delay = delays.pop(); delay !== undefined; delay = delays.pop())
          await killAfter(where, delay);
      };
      try {
        await Promise.all(homes.map(take));
      } finally {
        homes[1]?.remove();
      }
    },
    240,
  );

  onBoth("while the workload runs leaves nothing", async () => {
    const { child } = await home.startScript("exec sleep 1000");
    expect(home.remains().length).toBeGreaterThan(3);
    child.kill("SIGKILL");
    await child.exited;
    await home.expectNothingLeft();
  });
});

describe("kill -9 of another process of the machine", () => {
  onBoth("the machine process: the run fails and leaves nothing", async () => {
    const { child } = await home.startScript("exec sleep 1000");
    for (const pid of home.roles("__machine")) process.kill(pid, "SIGKILL");
    const stderr = await new Response(child.stderr).text();
    expect({ code: await child.exited, stderr }).toEqual({
      code: 125,
      stderr: expect.stringContaining("the machine ended unexpectedly"),
    });
  });

  onQemu("the machine process, at random moments of the start", async () => {
    const random = seededRandom("kill -9 of the machine process");
    for (let round = 0; round < 8; round++) {
      const child = home.startRun(WORK);
      const pid = await until("the machine process", () => home.roles("__machine")[0]);
      await Bun.sleep(random() * 1500);
      process.kill(pid, "SIGKILL");
      expect(await child.exited).toBe(125);
      await home.expectNothingLeft();
    }
  });

  onQemu("the VMM, while it starts", async () => {
    const random = seededRandom("kill -9 of the VMM");
    for (let round = 0; round < 4; round++) {
      const child = home.startRun(WORK);
      const pid = await until(
        "the VMM",
        () => home.processes().find(({ command }) => command.includes("qemu-system"))?.pid,
      );
      await Bun.sleep(random() * 1500);
      process.kill(pid, "SIGKILL");
      expect(await child.exited).toBe(125);
      await home.expectNothingLeft();
    }
  });

  onBoth("all of them at once: the next start sweeps what is left", async () => {
    const { child } = await home.startScript("exec sleep 1000");
    // Stopped first, so that none of them can tidy up after another.
    const pids = home.processes().map(({ pid }) => pid);
    for (const pid of pids) process.kill(pid, "SIGSTOP");
    for (const pid of pids) process.kill(pid, "SIGKILL");
    await child.exited;
    await until("the processes' end", () => home.processes().length === 0);
    expect(machines()).toHaveLength(1);
    expect(await home.run(["true"])).toMatchObject({ stderr: "", exitCode: 0 });
    await home.expectNothingLeft();
  });
});

function machines(): string[] {
  return readdirSync(`${home.path}/data/smolvm/machines`);
}

describe("what a power cut left", () => {
  onQemu("is removed by the next start, in every state", async () => {
    const parent = `${home.path}/data/smolvm/machines`;
    const make = (name: string, files: Record<string, string>) => {
      mkdirSync(`${parent}/${name}`, { recursive: true });
      for (const [file, text] of Object.entries(files)) writeFileSync(`${parent}/${name}/${file}`, text);
    };
    make(".new-0123456789ab", {});
    make(".new-0123456789ac", { lock: "" });
    make(".old-0123456789ad", { lock: "", "overlay.ext4": "x" });
    make("vm-torn", { lock: "", ephemeral: "", "machine.json": '{"version":1,' });
    make("vm-whole", { lock: "", ephemeral: "", "machine.json": "{}", "machine.json.new": "" });
    const paths = resolvePaths(home.env);
    mkdirSync(paths.runtime, { recursive: true, mode: 0o700 });
    for (const socket of Object.values(socketPaths(paths, "vm-whole"))) writeFileSync(socket, "");
    expect(await home.smolvm(["machine", "ls"])).toMatchObject({ exitCode: 0, stderr: "" });
    expect(await home.run(["true"])).toMatchObject({ stderr: "", exitCode: 0 });
    await home.expectNothingLeft();
  });

  onQemu("does not keep a machine from taking its name", async () => {
    const path = `${home.path}/data/smolvm/machines/box`;
    mkdirSync(path, { recursive: true });
    for (const file of ["lock", "ephemeral", "overlay.ext4"]) writeFileSync(`${path}/${file}`, "");
    expect(await home.run(["hostname"], { options: ["--name", "box"] })).toMatchObject({
      output: "box\n",
      exitCode: 0,
    });
  });
});
