/** What a machine is lent of its host while it runs: Unix sockets in both directions, and an SSH agent. */
import type { LentOptions, LentSockets } from "./lent-sockets.ts";

/**
 * Makes the sockets of the host; undefined: the machine is lent nothing.
 *
 * @throws SmolError `socket.exists`, `socket.unusable`
 */
export async function openLent(options: LentOptions): Promise<LentSockets | undefined> {
  const { record, lent } = options.order;
  const { mountSockets, exposeSockets } = record;
  if (mountSockets.length === 0 && exposeSockets.length === 0 && lent.sshAgent === null) return undefined;
  // Sockets of the runtime take milliseconds to load, for which other machines need not wait.
  const { LentSockets } = await import("./lent-sockets.ts");
  return await LentSockets.open(options);
}

export type { LentSockets };
