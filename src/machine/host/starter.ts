/** What starts programs for a machine's process, once that has given it up. */
import { closeSync, openSync } from "node:fs";
import { type Confinement, confineSelf, Starter } from "../../confine/index.ts";
import { selfCommand } from "../../self.ts";
import type { StartOrder } from "../plan/index.ts";

/** How the processes of a machine are started, and confined. */
export interface ConfinedStarter {
  readonly starter: Starter;
  /** See `LaunchConfined`. */
  readonly krun: string | undefined;
  readonly confinement: Confinement;
  /** This process gives up all that its machine does not need of it. @throws SmolError `confine.failed` */
  confineSelf(): Promise<void>;
}

/**
 * Starts the starter of a machine's process; undefined where there is no launcher.
 *
 * @throws Error of posix_spawn(3)
 */
export function openStarter(order: StartOrder): ConfinedStarter | undefined {
  const { confinement } = order;
  const { launcher, krun, threads } = order.files;
  if (launcher === undefined || threads === undefined) return undefined;
  const starter = startStarter(launcher);
  return {
    ...{ starter, krun, confinement },
    confineSelf: async () => {
      const { ownPaths } = await import("./own-paths.ts");
      await confineSelf(confinement, starter, () => ({
        ...{ library: threads, paths: ownPaths(order) },
        unixSockets: connectsToSockets(order),
      }));
    },
  };
}

/** Starts a starter of this process. @throws Error of posix_spawn(3) */
export function startStarter(launcher: string): Starter {
  // Open from now on: its name may go to another version.
  const program = openSync(selfCommand("__files").command[0], "r");
  try {
    return new Starter(launcher, program);
  } finally {
    closeSync(program);
  }
}

/** Those of the host that were lent, and those of other machines in its network. */
const connectsToSockets = ({ record, lent, network }: StartOrder): boolean =>
  record.mountSockets.length > 0 || lent.sshAgent !== null || network?.join != null;
