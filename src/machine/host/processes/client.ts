/** The client's side of processes that outlive their clients. */
import { Channel, ProtocolError, type Stream, type TerminalSize } from "../../../protocol/index.ts";
import { decodeEntries, type LogEntry } from "../../logs/index.ts";
import {
  type AttachEvent,
  type Attached,
  type AttachResult,
  checkAttachEvent,
  checkAttached,
  checkAttachResult,
  type Offsets,
} from "./messages.ts";
import type { OutputChannel } from "./output-buffer.ts";

interface Gap {
  readonly offset: number;
  readonly bytes: number;
}

/**
 * A process that this client is attached to. It counts what has been read, so that another attachment can go on
 * exactly there: `since: first.consumed`.
 */
export class AttachedProcess {
  /** Resolves when the process is there; rejects with StreamFailure, or the connection's error. */
  readonly accepted: Promise<Attached>;
  /** Resolves with the process's end, or that this client is detached, once the machine's process has sent all. */
  readonly result: Promise<AttachResult>;
  /** Called for each lack of memory of the machine. */
  onOutOfMemory: () => void = () => {};
  /** Called for output that is missing, because it was read too slowly or asked for too late, where it is missing. */
  onLost: (channel: OutputChannel, bytes: number) => void = () => {};
  readonly #stream: Stream;
  readonly #consumed: Record<OutputChannel, number | undefined>;
  readonly #gaps: Readonly<Record<OutputChannel, Gap[]>> = { [Channel.stdout]: [], [Channel.stderr]: [] };

  /**
   * @param stream opened for a request whose answer is that of `attach`
   * @param since as it was in the request
   */
  constructor(stream: Stream, since?: Offsets) {
    this.#stream = stream;
    this.#consumed = { [Channel.stdout]: since?.stdout, [Channel.stderr]: since?.stderr };
    stream.onEvent = (message) => this.#event(checkAttachEvent(message));
    this.accepted = stream.accepted.then((message) => {
      const attached = checkAttached(message);
      this.#consumed[Channel.stdout] ??= attached.offset.stdout;
      this.#consumed[Channel.stderr] ??= attached.offset.stderr;
      return attached;
    });
    this.result = stream.result.then(checkAttachResult);
    // Nobody has to wait for either.
    this.accepted.catch(() => {});
    this.result.catch(() => {});
  }

  /** How much of each channel has been read, what is missing included; undefined before the process is there. */
  get consumed(): Offsets | undefined {
    const stdout = this.#consumed[Channel.stdout];
    const stderr = this.#consumed[Channel.stderr];
    return stdout === undefined || stderr === undefined ? undefined : { stdout, stderr };
  }

  /** Output as it arrives. A chunk counts as read when the next one is asked for. */
  async *read(channel: OutputChannel): AsyncGenerator<Uint8Array, void, void> {
    const attached = await this.accepted.catch(() => undefined);
    if (attached === undefined) return;
    const start = attached.offset[channel === Channel.stdout ? "stdout" : "stderr"];
    const had = this.#consumed[channel] ?? start;
    if (start > had) this.onLost(channel, start - had);
    let offset = start;
    this.#consumed[channel] = offset;
    for await (let chunk of this.#stream.read(channel)) {
      while (chunk.length > 0) {
        offset = this.#skipGap(channel, offset);
        const next = this.#gaps[channel][0]?.offset ?? Number.POSITIVE_INFINITY;
        const part = chunk.subarray(0, next - offset);
        chunk = chunk.subarray(part.length);
        yield part;
        offset += part.length;
        this.#consumed[channel] = offset;
      }
    }
    this.#consumed[channel] = this.#skipGap(channel, offset);
  }

  /** The process's input; resolves when there is room for more. */
  write(bytes: Uint8Array): Promise<void> {
    return this.#stream.write(Channel.stdin, bytes);
  }

  /** Ends the process's input. */
  endInput(): void {
    this.#stream.end(Channel.stdin);
  }

  signal(signal: number): void {
    this.#stream.control({ type: "signal", signal });
  }

  resize({ columns, rows }: TerminalSize): void {
    this.#stream.control({ type: "resize", columns, rows });
  }

  /** Leaves the process alone; `result` tells when nothing more comes from it. */
  detach(): void {
    this.#stream.cancel();
  }

  #event(event: AttachEvent | undefined): void {
    if (event === undefined) return;
    if (event.type === "out_of_memory") this.onOutOfMemory();
    else if (event.type === "lost") this.#gaps[event.channel].push(event);
  }

  /** What is missing comes before the bytes that were sent after it was told. */
  #skipGap(channel: OutputChannel, offset: number): number {
    const [gap] = this.#gaps[channel];
    if (gap === undefined || gap.offset > offset) return offset;
    if (gap.offset < offset)
      throw new ProtocolError("malformed event of attach: bytes that came are missing");
    this.#gaps[channel].shift();
    this.onLost(channel, gap.bytes);
    return this.#skipGap(channel, offset + gap.bytes);
  }
}

/** What `processLogs` answers. `onNote` is told what is missing. */
export function readProcessLogs(
  stream: Stream,
  options: { readonly onNote?: ((text: string) => void) | undefined } = {},
): AsyncGenerator<LogEntry, void, void> {
  return decodeEntries(stream.read(Channel.stdout), options);
}
