import { closeSync, writeSync } from "node:fs";
import { makePipe } from "../../../ffi/libc.ts";
import { isDebugging } from "../../debug.ts";
import { messageOf } from "../../errors.ts";
import { selfCommand } from "../../self.ts";
import type { StartOrder, StartReport } from "../plan/index.ts";
import type { MakeOrder } from "../template/index.ts";

/** A machine that lives for less has no template made beside it: it would be over before that is done. */
const LIVES_MS = 3000;

/**
 * Where a machine had no template to go on from, starts a process that makes one for those to come. Nobody waits for it, and
 * it has nothing of this process. It ends with the machine, so that nothing of a machine is left when it has ended, unless
 * the user is eager.
 */
export function makeTemplateFor(order: StartOrder, { pid, template }: StartReport): void {
  if (template?.wanted === undefined) return;
  const { paths, files, confinement, templates, record } = order;
  const { kernel, system, launcher, memory } = files;
  const made = { paths, files: { kernel, system, launcher, memory }, confinement, ...template.wanted };
  if (templates === "eager") spawnMaker({ ...made, beside: undefined, delayMs: 0 });
  // This process is there as long as the machine is, and a process less is started for most.
  else if (record.ephemeral)
    setTimeout(() => spawnMaker({ ...made, beside: pid, delayMs: 0 }), LIVES_MS).unref();
  else spawnMaker({ ...made, beside: pid, delayMs: LIVES_MS });
}

function spawnMaker(order: MakeOrder): void {
  try {
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
  } catch (error) {
    // The machine runs.
    if (isDebugging()) console.error(`smolvm: no template is made: ${messageOf(error)}`);
  }
}
