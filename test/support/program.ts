import { mkdirSync } from "node:fs";

/** The compiled program that the whole-program tests run, and how. */

const root = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

export const program = process.env.SMOLVM_TEST_PROGRAM ?? `${root}/dist/smolvm`;

export type EngineName = "qemu" | "krun";

/** Inside the lab (test/lab) the same tests run on krun. */
export const engine: EngineName = process.env.SMOLVM_TEST_ENGINE === "krun" ? "krun" : "qemu";
export const inLab = engine === "krun";

/** Where tests keep what takes long to make, from run to run: smolvm's cache and our images. */
export const buildDirectory = process.env.SMOLVM_TEST_BUILD ?? `${root}/.cache/test`;

/** The lab emulates a processor that emulates a processor: everything takes several times as long. */
export const slowness = inLab ? 5 : 1;

/** smolvm's cache that all tests share, except those that damage theirs. */
export function sharedCache(): string {
  const path = `${buildDirectory}/cache-${engine}`;
  mkdirSync(path, { recursive: true });
  return path;
}
