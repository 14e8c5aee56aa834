import {
  Channel,
  type ExecControl,
  failureOf,
  ProtocolError,
  type Stream,
  StreamFailure,
  WINDOW_BYTES,
} from "../../../protocol/index.ts";
import { EarlyControls } from "../early-controls.ts";
import { controlOf } from "../relay.ts";
import type { OutputReader } from "./channel-buffer.ts";
import type { HostedProcess } from "./hosted-process.ts";
import {
  type AttachEvent,
  type Attached,
  type AttachRequest,
  checkAttachRequest,
  type Offsets,
} from "./messages.ts";
import type { OutputChannel } from "./output-buffer.ts";
import type { ProcessTable } from "./table.ts";

/** Serves a client's `attach`: its parameters say which process it means. Never rejects. */
export async function serveAttach(client: Stream, table: ProcessTable): Promise<void> {
  const attachment = new Attachment(client);
  try {
    const request = checkedParameters(client, checkAttachRequest);
    await attachment.attach(table.find(request.process), request);
  } catch (error) {
    client.fail(failureOf(error));
  }
}

/** @throws StreamFailure `machine.bad_request` */
export function checkedParameters<T>(client: Stream, check: (params: unknown) => T): T {
  try {
    return check(client.request.params);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new StreamFailure({ code: "machine.bad_request", message: error.message });
  }
}

/**
 * A client's stream on its way to a process, which may not run yet. When the client goes, by `cancel` or because its
 * connection ends, the process stays.
 */
export class Attachment {
  readonly #client: Stream;
  readonly #gone = new AbortController();
  #isBroken = false;
  #process: HostedProcess | undefined;
  readonly #early = new EarlyControls();

  /** To be called at once when the stream has come: the client may already have more to say. */
  constructor(client: Stream) {
    this.#client = client;
    client.onControl = (message) => {
      const control = controlOf(client, message);
      if (control === undefined) this.#gone.abort();
      else if (this.#process === undefined) this.#early.add(control);
      else apply(this.#process, control);
    };
    client.onCancel = () => {
      // A client that cancels can still be answered.
      this.#isBroken = client.isOver;
      this.#gone.abort();
    };
  }

  /** Aborted when the client has gone. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /**
   * Connects the client with the process; resolves when either has ended.
   *
   * @throws StreamFailure `machine.bad_request` when it has not written as much as the client says that it has
   */
  async attach(process: HostedProcess, request: Omit<AttachRequest, "process">): Promise<void> {
    const { id, pid, tty } = process.about;
    const offset = startOffsets(process, request);
    const readers = openReaders(process, offset, request.hold !== undefined);
    const leave = () => {
      this.#gone.abort();
      for (const [, reader] of readers) reader.close();
    };
    const hold = request.hold === undefined ? undefined : process.holds.take(request.hold, leave);
    const forgetMemory = process.onOutOfMemory(() => this.#tell({ type: "out_of_memory" }));
    process.attached += 1;
    try {
      this.#client.accept({ id, pid, tty, offset } satisfies Attached);
      this.#process = process;
      for (const control of this.#early.take()) apply(process, control);
      if (request.stdin) void this.#copyInput(process);
      const copies = readers.map(([channel, reader]) => this.#copyOutput(channel, reader));
      await Promise.race([Promise.all(copies), whenAborted(this.gone)]);
      await this.#finish(process);
    } finally {
      forgetMemory();
      process.attached -= 1;
      if (hold === undefined) leave();
      else if (this.#isBroken) hold.linger();
      else hold.end();
    }
  }

  async #copyOutput(channel: OutputChannel, reader: OutputReader): Promise<void> {
    for (let piece = await reader.next(); piece !== undefined; piece = await reader.next()) {
      const { bytes, lost } = piece;
      if (lost > 0) this.#tell({ type: "lost", channel, offset: piece.offset - lost, bytes: lost });
      await this.#client.write(channel, bytes);
      // To a client that is gone nothing was written; the next look would say that this piece was dealt with.
      if (this.gone.aborted) return;
    }
    this.#client.end(channel);
  }

  async #copyInput(process: HostedProcess): Promise<void> {
    for await (const chunk of this.#client.read(Channel.stdin)) await process.write(chunk);
    // A client that is gone has not said that its input is over.
    if (!this.gone.aborted) process.endInput();
  }

  async #finish(process: HostedProcess): Promise<void> {
    if (this.gone.aborted) {
      this.#client.finish({ detached: true });
      return;
    }
    const { result } = await process.ended;
    if ("code" in result) this.#client.fail(result);
    else this.#client.finish(result);
  }

  #tell(event: AttachEvent): void {
    this.#client.event(event);
  }
}

/** What was sent and may not have been read yet is kept: if the connection breaks, the client comes back for it. */
const HOLD_BYTES = WINDOW_BYTES;

function openReaders(
  { output }: HostedProcess,
  offset: Offsets,
  holds: boolean,
): readonly [OutputChannel, OutputReader][] {
  const hold = holds ? HOLD_BYTES : undefined;
  return [
    [Channel.stdout, output.channel(Channel.stdout).reader(offset.stdout, hold)],
    [Channel.stderr, output.channel(Channel.stderr).reader(offset.stderr, hold)],
  ];
}

function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function apply(process: HostedProcess, control: ExecControl): void {
  if (control.type === "signal") process.signal(control.signal);
  else process.resize(control);
}

/** Where the client's output begins. */
function startOffsets(
  { about, output }: HostedProcess,
  { since, replay = 0 }: Omit<AttachRequest, "process">,
): Offsets {
  const start = (channel: OutputChannel, had: number | undefined) => {
    const buffer = output.channel(channel);
    if (had === undefined) return buffer.startOfLast(replay);
    if (had > buffer.written) {
      const message = `process ${about.id} has not written as much as is to be skipped`;
      throw new StreamFailure({ code: "machine.bad_request", message });
    }
    return Math.max(had, buffer.oldest);
  };
  return { stdout: start(Channel.stdout, since?.stdout), stderr: start(Channel.stderr, since?.stderr) };
}
