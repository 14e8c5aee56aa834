import type { Changes } from "./changes.ts";
import { LineCutter } from "./lines.ts";
import { type LogLimits, RotatingFile } from "./rotating-file.ts";
import { encodeEntry, encodeLost, type OutputName } from "./workload-entry.ts";

/** Longest piece of a line, as docker has it. */
export const MAX_LINE_BYTES = 16 * 1024;

export interface LogOptions {
  /** Default: 3 files of 10 MiB. */
  readonly limits?: LogLimits | undefined;
  /** Told, one sentence for each cause, why something is missing in the log. */
  readonly onTrouble?: ((text: string) => void) | undefined;
}

/**
 * The log of a workload's output. Lines of both streams are in the order in which their ends came; one without an end
 * is there once it is longer than the bound, or its stream has ended.
 */
export class WorkloadLog {
  readonly #file: RotatingFile;
  readonly #cutters: Readonly<Record<OutputName, LineCutter>>;

  /** @param path of the current file; its directory must be there when the first line comes */
  constructor(path: string, options: LogOptions = {}) {
    const gap = (lostBytes: number) => encodeLost({ time: Date.now(), lostBytes });
    this.#file = new RotatingFile(path, { ...options, gap });
    const cutter = (stream: OutputName) =>
      new LineCutter(MAX_LINE_BYTES, (bytes) =>
        this.#file.append(encodeEntry({ time: Date.now(), stream, bytes }), bytes.length),
      );
    this.#cutters = { stdout: cutter("stdout"), stderr: cutter("stderr") };
  }

  /** Told when there is more to read in the files; ended by `close`. */
  get changes(): Changes {
    return this.#file.changes;
  }

  /**
   * Never fails: what cannot be written is left out, and the log says how much.
   *
   * @returns a promise for when more should come: a disk that is slower than the workload holds it up
   */
  write(stream: OutputName, bytes: Uint8Array): Promise<void> {
    this.#cutters[stream].push(bytes);
    return this.#file.room();
  }

  /** The workload has ended, perhaps within a line. */
  endLines(): void {
    for (const cutter of Object.values(this.#cutters)) cutter.end();
  }

  /** Resolves when all that was written can be read. */
  flushed(): Promise<void> {
    return this.#file.flushed();
  }

  async close(): Promise<void> {
    this.endLines();
    await this.#file.close();
  }
}
