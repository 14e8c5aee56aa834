import type { GuestExec } from "../../guest/index.ts";
import { failureOf, type Stream } from "../../protocol/index.ts";
import type { StartOrder } from "../plan/index.ts";
import { clientExec, ownersExec } from "./guest-exec.ts";
import type { LastingMachine } from "./lasting.ts";
import { relayExec } from "./relay.ts";
import type { Session } from "./session.ts";

export interface ServeExecOptions {
  /** It is the owner's: the machine's own command. */
  readonly owners: boolean;
  /** Asked once the session is there: whether the machine has a first process, which the owner's is else. */
  readonly hasFirst?: (() => boolean) | undefined;
  readonly onStart?: (() => void) | undefined;
}

/** Runs a process for whoever opened the stream, until it has ended; what goes wrong is told over the stream. */
export async function serveExec(
  stream: Stream,
  order: StartOrder,
  session: () => Promise<Session>,
  options: ServeExecOptions,
): Promise<void> {
  try {
    const { params } = stream.request;
    // Before the guest is there: what is wrong with a request is said at once.
    const asked = options.owners ? undefined : clientExec(order, params);
    const { guest, root } = await session();
    const request = asked ?? ownersExec(order, params, options.hasFirst?.() ?? false);
    await root.requested;
    await relayExec(stream, request, {
      exec: (exec: GuestExec) => guest.exec(exec),
      rootMade: root.made,
      onStart: options.onStart,
    });
  } catch (error) {
    stream.fail(failureOf(error));
  }
}

/** Runs a process that outlives its client: answers with its id once it runs. */
export async function serveDetachedExec(
  stream: Stream,
  order: StartOrder,
  machine: LastingMachine,
): Promise<void> {
  const exec = clientExec(order, stream.request.params);
  const { guest, root } = await machine.session();
  await root.requested;
  const workplace = { exec: (exec: GuestExec) => guest.exec(exec), rootMade: root.made };
  const { about, ended } = await machine.table.start(workplace, exec);
  // Attached or not, its work keeps the machine from being idle.
  void ended.then(machine.begin());
  stream.finish({ id: about.id, pid: about.pid });
}
