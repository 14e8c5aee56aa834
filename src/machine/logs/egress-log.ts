import type { Changes } from "./changes.ts";
import { type EgressEntry, encodeEgress, encodeEgressGap } from "./egress-entry.ts";
import { RotatingFile } from "./rotating-file.ts";
import type { LogOptions } from "./workload-log.ts";

/**
 * What a machine wanted from the network, in the order in which it was decided. A guest that asks faster than the disk
 * takes it loses lines, and is not held up; a line says how much is missing.
 */
export class EgressLog {
  readonly #file: RotatingFile;

  /** @param path of the current file; its directory must be there when the first line comes */
  constructor(path: string, options: LogOptions = {}) {
    this.#file = new RotatingFile(path, { ...options, gap: encodeEgressGap });
  }

  /** Told when there is more to read in the files; ended by `close`. */
  get changes(): Changes {
    return this.#file.changes;
  }

  add(entry: EgressEntry): void {
    const line = encodeEgress(entry);
    if (this.#file.isFull) this.#file.lose(line.length);
    else this.#file.append(line, line.length);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
