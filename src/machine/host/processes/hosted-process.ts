import type { GuestProcess } from "../../../guest/index.ts";
import { Channel, type ExecResult, type Failure, type TerminalSize } from "../../../protocol/index.ts";
import { explain } from "../relay.ts";
import { Holds } from "./holds.ts";
import { OutputBuffer, type OutputChannel, outputChannels } from "./output-buffer.ts";

/** What a process is. */
export interface ProcessAbout {
  /** 12 hex digits. */
  readonly id: string;
  /** A further way to say which one it is, such as `workload`. */
  readonly name?: string | undefined;
  readonly argv: readonly string[];
  /** As it was asked for; empty: root. */
  readonly user: string;
  readonly tty: boolean;
  /** It has an input; else that is /dev/null. */
  readonly stdin: boolean;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** As the guest's kernel counts. */
  readonly pid: number;
}

/** How a process has ended. */
export interface ProcessEnd {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Its own end, or why nobody knows: its machine is gone. */
  readonly result: ExecResult | Failure;
  /** It was killed, and the kernel has killed something for lack of memory while it ran. */
  readonly outOfMemory: boolean;
}

export interface HostedOptions {
  /** Gets all output, before it can be read here; a promise holds up the process. Must not fail. */
  readonly tee?: ((channel: OutputChannel, bytes: Uint8Array) => Promise<void> | void) | undefined;
  /** Bytes of output that are kept of each channel. */
  readonly capacity?: number | undefined;
  /** How long a process waits for a client that holds and has gone without notice; milliseconds. */
  readonly lingerMs?: number | undefined;
  /** The time; milliseconds since the epoch. */
  readonly now?: (() => number) | undefined;
}

/**
 * A client that lost its connection and is alive is back in this time; one that was killed must not stop a process for
 * longer.
 */
const LINGER_MS = 30_000;

/** SIGKILL, and the exit code of a shell whose command was ended by it. */
const KILLED = { signal: 9, exitCode: 137 };

/** A process of the guest that outlives its clients: its output is read here, whoever is there to see it. */
export class HostedProcess {
  readonly about: ProcessAbout;
  readonly output: OutputBuffer;
  /** Resolves when it has ended; never rejects. */
  readonly ended: Promise<ProcessEnd>;
  /** Resolves when all its output is here, which may take as long as a client holds it; never rejects. */
  readonly drained: Promise<void>;
  /** How many clients are attached to it. */
  attached = 0;
  /** Clients that it waits for when they are slow, attached or not. */
  readonly holds: Holds;
  readonly #process: GuestProcess;
  readonly #options: HostedOptions;
  readonly #listeners = new Set<() => void>();
  #end: ProcessEnd | undefined;
  #memoryRanOut = false;

  /** @param process which has been accepted, and whose output nobody has read */
  constructor(process: GuestProcess, about: ProcessAbout, options: HostedOptions = {}) {
    this.about = about;
    this.#process = process;
    this.#options = options;
    this.output = new OutputBuffer(options.capacity);
    this.holds = new Holds(options.lingerMs ?? LINGER_MS);
    this.ended = this.#watch();
    this.drained = this.#drain();
  }

  /** Somebody is attached to it, or may come back. */
  get isInUse(): boolean {
    return this.attached > 0 || !this.holds.isEmpty;
  }

  /** Undefined as long as it runs. */
  get end(): ProcessEnd | undefined {
    return this.#end;
  }

  /** Its input; resolves when the guest has room for more. */
  write(bytes: Uint8Array): Promise<void> {
    return this.#process.write(Channel.stdin, bytes);
  }

  endInput(): void {
    this.#process.end(Channel.stdin);
  }

  /** Sends a signal to its process group; nothing when it has ended. */
  signal(signal: number): void {
    if (this.#end === undefined) this.#process.signal(signal);
  }

  resize(size: TerminalSize): void {
    if (this.#end === undefined) this.#process.resize(size);
  }

  /** Kills it and everything that it started, now. What it wrote last may be lost. */
  cancel(): void {
    this.#process.cancel();
  }

  /** The kernel has killed something of the machine for lack of memory. */
  outOfMemory(): void {
    if (this.#end !== undefined) return;
    this.#memoryRanOut = true;
    for (const listener of this.#listeners) listener();
  }

  /** Calls back whenever the machine runs out of memory. @returns what ends that */
  onOutOfMemory(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #copy(channel: OutputChannel): Promise<void> {
    for await (const chunk of this.#process.read(channel)) {
      await this.#options.tee?.(channel, chunk);
      await this.output.write(channel, chunk);
    }
  }

  async #drain(): Promise<void> {
    await Promise.all(outputChannels.map((channel) => this.#copy(channel)));
    // Who reads the last of it shall know how the process has ended.
    await this.ended;
    this.output.end();
  }

  async #watch(): Promise<ProcessEnd> {
    const result = await this.#process.result.catch(explain);
    const wasKilled =
      ("signal" in result && result.signal === KILLED.signal) ||
      ("exitCode" in result && result.exitCode === KILLED.exitCode);
    const at = (this.#options.now ?? Date.now)();
    const end = { at, result, outOfMemory: wasKilled && this.#memoryRanOut };
    this.#end = end;
    return end;
  }
}
