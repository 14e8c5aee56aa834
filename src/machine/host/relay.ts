import { messageOf, SmolError } from "../../errors.ts";
import type { GuestExec, GuestProcess } from "../../guest/index.ts";
import {
  Channel,
  checkExecControl,
  type ExecControl,
  type ExecResult,
  type Failure,
  failureOf,
  ProtocolError,
  type Stream,
  StreamFailure,
} from "../../protocol/index.ts";
import { EarlyControls } from "./early-controls.ts";

/** Where a client's process runs. */
export interface Workplace {
  /** Asks the guest for the process. */
  exec(request: GuestExec): GuestProcess;
  /** Resolves once the root is made; a request before that may fail although it would succeed now. */
  readonly rootMade: Promise<unknown>;
  /**
   * How long a process whose client has gone may take to end by itself, its input having ended, before it is killed;
   * absent: not at all.
   */
  readonly patienceMs?: number | undefined;
  /** Told when the process runs. */
  readonly onStart?: (() => void) | undefined;
}

/**
 * Connects a client's `exec` stream with a process in the guest. Each direction is held back by its reader, so at most
 * one window per channel waits in this process. Input waits until the program runs: then it is read by nobody else.
 *
 * @returns how the process ended, or undefined when it did not run or its end is unknown.
 */
export async function relayExec(
  client: Stream,
  request: GuestExec,
  workplace: Workplace,
): Promise<ExecResult | undefined> {
  const relay = new Relay(client, workplace.patienceMs ?? 0);
  let outputs: Promise<unknown> = Promise.resolve();
  try {
    const process = await relay.start(request, workplace);
    const accepted = await process.accepted;
    workplace.onStart?.();
    client.accept(accepted);
    relay.forward(process);
    outputs = Promise.all(
      [Channel.stdout, Channel.stderr].map((channel) => copyOutput(process, client, channel)),
    );
    const result = await process.result;
    await outputs;
    client.finish(result);
    return result;
  } catch (error) {
    await outputs;
    client.fail(explain(error));
    return undefined;
  } finally {
    relay.close();
  }
}

/** What the client says, on its way to the process. */
class Relay {
  readonly #client: Stream;
  #process: GuestProcess | undefined;
  readonly #early = new EarlyControls();
  #started = false;
  #cancelled = false;
  #patience: Timer | undefined;

  constructor(client: Stream, patienceMs: number) {
    this.#client = client;
    client.onControl = (message) => {
      const control = controlOf(client, message);
      if (control === undefined) this.#cancel();
      else if (this.#started && this.#process) apply(this.#process, control);
      else this.#early.add(control);
    };
    client.onCancel = () => {
      if (patienceMs === 0) this.#cancel();
      else this.#patience ??= setTimeout(() => this.#process?.cancel(), patienceMs);
      this.#cancelled = true;
    };
  }

  #cancel(): void {
    this.#cancelled = true;
    this.#process?.cancel();
  }

  /** Starts the process: again, when its root had to be made twice. */
  async start(request: GuestExec, workplace: Workplace): Promise<GuestProcess> {
    try {
      return await this.#ask(request, workplace);
    } catch (error) {
      if (!(error instanceof StreamFailure) || error.code !== "exec.no_root") throw error;
      // Why the root could not be made explains more.
      await workplace.rootMade;
      return await this.#ask(request, workplace);
    }
  }

  async #ask(request: GuestExec, workplace: Workplace): Promise<GuestProcess> {
    const process = workplace.exec(request);
    this.#process = process;
    if (this.#cancelled) process.cancel();
    await process.accepted;
    return process;
  }

  /** The process has ended. */
  close(): void {
    clearTimeout(this.#patience);
  }

  /** From now on the process gets what the client says, after what it has said so far. */
  forward(process: GuestProcess): void {
    this.#started = true;
    for (const control of this.#early.take()) apply(process, control);
    void copyInput(this.#client, process);
  }
}

/**
 * What a client says to its process. A message that cannot be ends that work alone, with `exec.bad_request`: other work of
 * the same client goes on.
 *
 * @returns undefined: it has been told so
 */
export function controlOf(client: Stream, message: unknown): ExecControl | undefined {
  try {
    return checkExecControl(message);
  } catch (error) {
    client.fail({ code: "exec.bad_request", message: messageOf(error) });
    return undefined;
  }
}

function apply(process: GuestProcess, control: ExecControl): void {
  if (control.type === "signal") process.signal(control.signal);
  else process.resize(control);
}

async function copyInput(client: Stream, process: GuestProcess): Promise<void> {
  for await (const chunk of client.read(Channel.stdin)) await process.write(Channel.stdin, chunk);
  process.end(Channel.stdin);
}

async function copyOutput(
  process: GuestProcess,
  client: Stream,
  channel: typeof Channel.stdout | typeof Channel.stderr,
): Promise<void> {
  for await (const chunk of process.read(channel)) await client.write(channel, chunk);
  client.end(channel);
}

/** What to tell the client. A connection that ended under the work: the VM is gone, or the guest broke a rule. */
export function explain(error: unknown): Failure {
  if (error instanceof StreamFailure || error instanceof SmolError) return failureOf(error);
  const why = error instanceof ProtocolError ? `: the guest broke the protocol (${error.message})` : "";
  return { code: "machine.lost", message: `the machine ended unexpectedly${why}` };
}
