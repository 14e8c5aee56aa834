import { argumentsOf, type StartOrder } from "../plan/index.ts";
import { hasToBeFirst } from "../root/index.ts";
import { holdNamespace } from "./first-process.ts";
import { type InitListener, runInitCommands } from "./init-commands.ts";
import type { Session } from "./session.ts";

/**
 * Runs the init commands of a throw-away machine, whose every start is the first one, before its own command. They need
 * the namespace of a first process; that stays for the command, beside which whatever they have started lives on. Only
 * an init system insists on being the first itself: then it gets a new namespace, without their processes.
 *
 * @param reaper see `Launcher`
 * @returns whether the first process is there: the command is not to be it
 * @throws SmolError `machine.init_failed`; StreamFailure
 */
export async function initializeThrowAway(
  { guest, root, ready }: Session,
  order: StartOrder,
  reaper: readonly string[],
  listener: InitListener,
): Promise<boolean> {
  const { record, image } = order;
  const commands = [...record.initOnce, ...record.init];
  if (commands.length === 0) return false;
  await root.requested;
  const holder = holdNamespace(guest, reaper);
  holder.accepted.catch(() => {});
  holder.result.catch(() => {});
  // Why there is no root explains more than what could not be started in it.
  await ready;
  await root.made;
  await holder.accepted;
  await runInitCommands(guest, order, commands, listener);
  if (!hasToBeFirst(argumentsOf(record, image))) return true;
  holder.cancel();
  await holder.result.catch(() => {});
  return false;
}
