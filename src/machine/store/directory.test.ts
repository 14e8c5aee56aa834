import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { type Paths, resolvePaths } from "../../config/paths.ts";
import {
  createRunning,
  createStopped,
  isRunning,
  lockRunning,
  machineNames,
  markEphemeral,
  removeDirectory,
  sweep,
  tryLockForChange,
} from "./directory.ts";

let root: string;
let paths: Paths;

beforeEach(() => {
  root = mkdtempSync(`${tmpdir()}/smolvm-store-`);
  paths = resolvePaths({ SMOLVM_DATA_DIR: root });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const entries = () => readdirSync(`${paths.data}/machines`);
const fill = (path: string) => writeFileSync(`${path}/machine.json`, "{}");

describe("a directory", () => {
  test("appears whole, with the lock that was asked for", () => {
    const lock = createRunning(paths, "box", fill);
    expect(isRunning(paths, "box")).toBe(true);
    expect(existsSync(`${paths.data}/machines/box/machine.json`)).toBe(true);
    lock?.release();
    expect(isRunning(paths, "box")).toBe(false);

    const change = createStopped(paths, "cold", fill);
    expect(isRunning(paths, "cold")).toBe(false);
    expect(tryLockForChange(paths, "cold")).toBe("held");
    change?.release();
    expect(tryLockForChange(paths, "cold")).toMatchObject({});
    expect(entries().sort()).toEqual(["box", "cold"]);
  });

  test("is there once, and a second one leaves nothing behind", () => {
    const first = createStopped(paths, "box", fill);
    expect(createStopped(paths, "box", fill)).toBeUndefined();
    expect(createRunning(paths, "box", fill)).toBeUndefined();
    first?.release();
    expect(createRunning(paths, "box", fill)).toBeUndefined();
    expect(entries()).toEqual(["box"]);
  });

  test("that cannot be filled leaves nothing behind", () => {
    const full = () => {
      throw Object.assign(new Error("full"), { code: "ENOSPC" });
    };
    expect(() => createStopped(paths, "box", full)).toThrow(
      expect.objectContaining({ code: "machine.no_space" }),
    );
    expect(entries()).toEqual([]);
  });

  test("of a throw-away machine whose process is gone makes room for another one", () => {
    createRunning(paths, "box", markEphemeral)?.release();
    const again = createRunning(paths, "box", markEphemeral);
    expect(again).toBeDefined();
    // This one runs.
    expect(createRunning(paths, "box", markEphemeral)).toBeUndefined();
    again?.release();
  });

  test("goes in one step, and its name is free then", () => {
    const lock = createRunning(paths, "box", fill);
    removeDirectory(paths, "box");
    lock?.release();
    expect(entries()).toEqual([]);
    removeDirectory(paths, "box");
    expect(createStopped(paths, "box", fill)).toBeDefined();
  });

  test("that is gone has no locks, and asking makes none", () => {
    expect(isRunning(paths, "box")).toBe(false);
    expect(lockRunning(paths, "box")).toBeUndefined();
    expect(tryLockForChange(paths, "box")).toBe("none");
    expect(existsSync(paths.data)).toBe(true);
    expect(existsSync(`${paths.data}/machines`)).toBe(false);
  });
});

describe("a sweep", () => {
  test("takes what is left over, and nothing else", () => {
    const running = createRunning(paths, "running", markEphemeral);
    createRunning(paths, "over", markEphemeral)?.release();
    createStopped(paths, "lasting", fill)?.release();
    for (const name of [".new-1", ".old-1"]) mkdirSync(`${paths.data}/machines/${name}`);
    writeFileSync(`${paths.data}/machines/.old-1/lock`, "");
    sweep(paths);
    expect(entries().sort()).toEqual(["lasting", "running"]);
    expect(machineNames(paths)).toEqual(["lasting", "running"]);
    running?.release();
  });

  test("leaves a directory alone that is being made", () => {
    let during: string[] = [];
    createStopped(paths, "box", (path) => {
      sweep(paths);
      fill(path);
      during = entries();
    })?.release();
    expect(during).toHaveLength(1);
    expect(entries()).toEqual(["box"]);
  });
});

test("of many processes that make the same machine at once, one does", async () => {
  const script = `
    const { createStopped } = await import(${JSON.stringify(`${import.meta.dir}/directory.ts`)});
    const lock = createStopped(${JSON.stringify(paths)}, "box", () => {});
    process.stdout.write(lock === undefined ? "0" : "1");
  `;
  const runs = Array.from({ length: 8 }, () =>
    Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" }),
  );
  const made = await Promise.all(runs.map((run) => new Response(run.stdout).text()));
  expect(made.sort().join("")).toBe("00000001");
  expect(entries()).toEqual(["box"]);
}, 60_000);

test("processes that make, remove and sweep at once never take anything from each other", async () => {
  const script = `
    const { writeFileSync } = await import("node:fs");
    const store = await import(${JSON.stringify(`${import.meta.dir}/directory.ts`)});
    const paths = ${JSON.stringify(paths)};
    const name = process.argv[1];
    for (let round = 0; round < 60; round++) {
      const made = store.createStopped(paths, name, (path) => writeFileSync(path + "/machine.json", "{}"));
      if (made === undefined) throw new Error("there was one already");
      made.release();
      store.sweep(paths);
      const change = store.tryLockForChange(paths, name);
      // A sweeper that has seen it under its first name may have its lock for a moment.
      if (change === "none") throw new Error("somebody has taken it");
      store.removeDirectory(paths, name);
      if (change !== "held") change.release();
    }
  `;
  const runs = Array.from({ length: 5 }, (_, at) =>
    Bun.spawn([process.execPath, "-e", script, `box-${at}`], { stdout: "inherit", stderr: "pipe" }),
  );
  const ends = await Promise.all(
    runs.map(async (run) => [await run.exited, await new Response(run.stderr).text()]),
  );
  expect(ends).toEqual(runs.map(() => [0, ""]));
  expect(entries()).toEqual([]);
}, 60_000);
