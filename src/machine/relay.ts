import {
  Channel,
  type Connection,
  checkExecAccepted,
  checkExecResult,
  type ExecResult,
  type Failure,
  failureOf,
  ProtocolError,
  type Stream,
  StreamFailure,
} from "../protocol/index.ts";

/**
 * Connects a client's `exec` stream with one of the guest's agent. Everything that comes from the guest is checked
 * here; each direction is held back by its reader, so at most one window per channel waits in this process.
 *
 * @returns how the process ended, or undefined when it did not run or its end is unknown.
 */
export async function relayExec(client: Stream, agent: Connection): Promise<ExecResult | undefined> {
  const guest = agent.open("exec", client.params);
  client.onControl = (message) => guest.control(message);
  client.onCancel = () => guest.cancel();
  void pump(client, guest, Channel.stdin);
  const output = Promise.all([pump(guest, client, Channel.stdout), pump(guest, client, Channel.stderr)]);
  try {
    client.accept(checkExecAccepted(await guest.accepted));
    const result = checkExecResult(await guest.result);
    await output;
    client.finish(result);
    return result;
  } catch (error) {
    await output;
    client.fail(error instanceof StreamFailure ? failureOf(error) : lost(error));
    return undefined;
  }
}

/** The connection ended under the work: the VM is gone, or the guest sent what it must not send. */
function lost(error: unknown): Failure {
  const why = error instanceof ProtocolError ? `: the guest broke the protocol (${error.message})` : "";
  return { code: "machine.lost", message: `the machine ended unexpectedly${why}` };
}

async function pump(from: Stream, to: Stream, channel: number): Promise<void> {
  for await (const chunk of from.read(channel)) await to.write(channel, chunk);
  to.end(channel);
}
