import type { Changes } from "./changes.ts";
import { type ConsoleLevel, encodeConsoleEntry } from "./console-entry.ts";
import { LineCutter } from "./lines.ts";
import { RotatingFile } from "./rotating-file.ts";
import type { LogOptions } from "./workload-log.ts";

/** Longer lines of a console come in pieces: the kernel's have at most about 1 KiB. */
const MAX_LINE_BYTES = 8 * 1024;

/** How the guest's agent begins what it says on the console; it does so only when something is wrong. */
const AGENT_PREFIX = "smolvm: ";

const decoder = new TextDecoder();

/**
 * The log of a machine's console: what its kernel and agent say, and what the machine's own process has to say about
 * it. Unlike a workload a console cannot be held up: what comes faster than the disk takes it is left out.
 */
export class ConsoleLog {
  readonly #file: RotatingFile;
  readonly #cutter = new LineCutter(MAX_LINE_BYTES, (line) => this.#line(line));

  /** @param path of the current file; its directory must be there when the first line comes */
  constructor(path: string, options: LogOptions = {}) {
    const gap = (lostBytes: number) =>
      encodeConsoleEntry({ time: Date.now(), level: "warn", message: `${lostBytes} bytes are missing here` });
    this.#file = new RotatingFile(path, { ...options, gap });
  }

  /** Told when there is more to read in the files; ended by `close`. */
  get changes(): Changes {
    return this.#file.changes;
  }

  /** Bytes of the console as they come; hostile. Never fails, and never waits. */
  write(bytes: Uint8Array): void {
    this.#cutter.push(bytes);
  }

  /** A line of the machine's process. */
  say(level: ConsoleLevel, message: string): void {
    this.#append(level, message, Buffer.byteLength(message));
  }

  /** Resolves when all that was written can be read. */
  flushed(): Promise<void> {
    return this.#file.flushed();
  }

  async close(): Promise<void> {
    this.#cutter.end();
    await this.#file.close();
  }

  #line(line: Uint8Array): void {
    const message = decoder.decode(line).replace(/[\r\n]+$/, "");
    if (message === "") return;
    this.#append(message.startsWith(AGENT_PREFIX) ? "warn" : "info", message, line.length);
  }

  #append(level: ConsoleLevel, message: string, weight: number): void {
    if (this.#file.isFull) this.#file.lose(weight);
    else this.#file.append(encodeConsoleEntry({ time: Date.now(), level, message }), weight);
  }
}
