/** What starts programs for a machine's process, once that has given it up. */
import { closeSync, openSync } from "node:fs";
import { type Confinement, Starter } from "../../confine/index.ts";
import { selfCommand } from "../../self.ts";
import type { StartOrder } from "../plan/index.ts";

/** How the processes of a machine are started, and confined. */
export interface ConfinedStarter {
  readonly starter: Starter;
  /** See `LaunchConfined`. */
  readonly krun: string | undefined;
  readonly confinement: Confinement;
}

/**
 * Starts the starter of a machine's process; undefined where there is no launcher.
 *
 * @throws Error of posix_spawn(3)
 */
export function openStarter({ files, confinement }: StartOrder): ConfinedStarter | undefined {
  const { launcher, krun } = files;
  if (launcher === undefined) return undefined;
  // Open from now on: its name may go to another version.
  const program = openSync(selfCommand("__files").command[0], "r");
  try {
    return { starter: new Starter(launcher, program), krun, confinement };
  } finally {
    closeSync(program);
  }
}
