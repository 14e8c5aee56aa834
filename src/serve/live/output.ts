/** The output of a process, for those who want all of it at its end, or each piece as it comes. */
import type { Process } from "../../machine/index.ts";

export interface Piece {
  readonly channel: "stdout" | "stderr";
  readonly bytes: Uint8Array;
}

/** Both outputs of a process as they come. One that is not read holds up the process, and no other. */
export async function* piecesOf(
  process: Pick<Process, "stdout" | "stderr">,
): AsyncGenerator<Piece, void, void> {
  const sources = (["stdout", "stderr"] as const).map((channel) => {
    const pieces = process[channel][Symbol.asyncIterator]();
    return { channel, next: () => pieces.next() };
  });
  const next = (source: (typeof sources)[number]) => source.next().then((result) => ({ source, result }));
  const waiting = new Map(sources.map((source) => [source, next(source)]));
  while (waiting.size > 0) {
    const { source, result } = await Promise.race(waiting.values());
    if (result.done) {
      waiting.delete(source);
      continue;
    }
    yield { channel: source.channel, bytes: result.value };
    waiting.set(source, next(source));
  }
}

/** Keeps the first bytes of an output, and counts that there were more. */
export class Kept {
  truncated = false;
  readonly #limit: number;
  readonly #parts: Buffer[] = [];
  #length = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(bytes: Uint8Array): void {
    const room = this.#limit - this.#length;
    if (bytes.length > room) this.truncated = true;
    // What is passed in may be used again.
    const part = Buffer.from(bytes.subarray(0, room));
    this.#parts.push(part);
    this.#length += part.length;
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }
}
