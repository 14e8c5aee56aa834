import { expect, test } from "bun:test";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { withDirectory } from "../image.fixture.ts";
import { sweepLeftovers } from "../newfile.ts";
import { takeLock } from "./lock.ts";

test("a lock whose file somebody removed can be given back", async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, "x.lock");
    const lock = await takeLock(path, "exclusive");
    rmSync(path);
    lock.release();
    const first = await takeLock(path, "exclusive");
    rmSync(path);
    // The same name, and another lock: it must survive the end of the first.
    const second = await takeLock(path, "exclusive");
    first.release();
    expect(existsSync(path)).toBe(true);
    second.release();
    expect(existsSync(path)).toBe(false);
  });
});

test("two lockers never meet, whoever sweeps beside them", async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, "x.lock");
    let holders = 0;
    let most = 0;
    const locker = async () => {
      for (let round = 0; round < 300; round++) {
        const lock = await takeLock(path, "exclusive");
        most = Math.max(most, ++holders);
        await new Promise(setImmediate);
        holders--;
        lock.release();
      }
    };
    const lockers = Promise.all([locker(), locker()]);
    const sweeper = Bun.spawn(
      [
        process.execPath,
        "-e",
        `const { sweepLeftovers } = await import(${JSON.stringify(`${import.meta.dir}/../newfile.ts`)});
         for (;;) sweepLeftovers(${JSON.stringify(directory)});`,
      ],
      { stderr: "inherit" },
    );
    await lockers;
    sweeper.kill();
    await sweeper.exited;
    sweepLeftovers(directory);
    expect(most).toBe(1);
  });
});
