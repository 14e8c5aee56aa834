import { closeSync, writeSync } from "node:fs";
import { makePipe } from "../../../ffi/libc.ts";
import { isDebugging } from "../../debug.ts";
import { messageOf } from "../../errors.ts";
import { selfCommand } from "../../self.ts";
import type { StartOrder, StartReport } from "../plan/index.ts";
import type { MakeOrder } from "../template/index.ts";

/**
 * Where a machine had no template to go on from, starts a process that makes one for those to come. Nobody waits for it, it
 * has nothing of this process, and it outlives it.
 */
export function makeTemplateFor(order: StartOrder, { template }: StartReport): void {
  if (template?.wanted === undefined) return;
  const { paths, files, confinement } = order;
  const { kernel, system, launcher, memory } = files;
  try {
    spawnMaker({ paths, files: { kernel, system, launcher, memory }, confinement, ...template.wanted });
  } catch (error) {
    // The machine runs.
    if (isDebugging()) console.error(`smolvm: no template is made: ${messageOf(error)}`);
  }
}

function spawnMaker(order: MakeOrder): void {
  const { command, argv0, env } = selfCommand("__template");
  const { readEnd, writeEnd } = makePipe();
  try {
    // All at once, so that this process may end at any moment: a pipe has room for 64 KiB.
    writeSync(writeEnd, JSON.stringify(order));
    const maker = Bun.spawn(command, {
      ...{ argv0, env, cwd: "/" },
      // A session of its own: signals of the terminal do not reach it.
      detached: true,
      stdio: [readEnd, "ignore", "ignore"],
    });
    maker.unref();
  } finally {
    closeSync(writeEnd);
    closeSync(readEnd);
  }
}
