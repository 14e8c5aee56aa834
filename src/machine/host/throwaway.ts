import { argumentsOf, type StartOrder } from "../plan/index.ts";
import { isInitSystem } from "../root/index.ts";
import { holdNamespace } from "./first-process.ts";
import { type InitListener, runInitCommands } from "./init-commands.ts";
import type { Session } from "./session.ts";

/**
 * Runs the init commands of a throw-away machine, before its command. What they leave running stays: a process that
 * only reaps is the machine's first, and the command lives beside it. An init system has to be the first itself, and
 * comes after the commands and all that they have started.
 *
 * @param reaper see `Launcher`
 * @throws SmolError, StreamFailure what keeps the machine from running
 */
export async function initThrowaway(
  { guest, root, ready }: Session,
  order: StartOrder,
  reaper: readonly string[],
  listener: InitListener,
): Promise<void> {
  const { record, image } = order;
  await ready;
  await root.made;
  const alone = isInitSystem(argumentsOf(record, image));
  if (!alone) {
    const holder = holdNamespace(guest, reaper);
    holder.result.catch(() => {});
    await holder.accepted;
  }
  const commands = [...record.initOnce, ...record.init];
  await runInitCommands(guest, order, commands, listener, alone ? "reaper" : undefined);
}
