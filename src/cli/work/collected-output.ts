/**
 * Output for a program that collects all of it before it looks at it, and has a limit for what it collects: an adapter
 * that answers in JSON loses the whole answer to a longer one (docs/pilot.md). It gets the end, and is told so.
 */
import { fstatSync } from "node:fs";

/** As JSON, with room for what is around it in a message of 1 MiB. */
const MAX_JSON_BYTES = 896 * 1024;

/** A piece of output, for standard output (1) or error (2). */
export interface Piece {
  readonly fd: 1 | 2;
  readonly bytes: Uint8Array;
}

/** The last pieces that fit into an answer together. */
export class CollectedOutput {
  readonly #pieces: Piece[] = [];
  #sizes: number[] = [];
  #size = 0;
  /** Whether the beginning did not fit. */
  isCut = false;

  add(piece: Piece): void {
    const size = jsonBytes(piece.bytes);
    this.#pieces.push(piece);
    this.#sizes.push(size);
    this.#size += size;
    while (this.#size > MAX_JSON_BYTES) {
      this.#pieces.shift();
      this.#size -= this.#sizes.shift() ?? 0;
      this.isCut = true;
    }
  }

  get pieces(): readonly Piece[] {
    return this.#pieces;
  }
}

/**
 * Whether a program collects the output of this one, and nobody sees it come: nothing on stdin, and pipes or sockets
 * behind both stdout and stderr. A file, or a pipe with a terminal beside it, takes everything.
 */
export function isCollected(): boolean {
  try {
    const [input, ...outputs] = [0, 1, 2].map((fd) => fstatSync(fd));
    return input?.isCharacterDevice() === true && outputs.every((stat) => stat.isFIFO() || stat.isSocket());
  } catch {
    return false; // one of them is closed: nobody collects anything
  }
}

/** What bytes take in a JSON text, at most: bytes that are no UTF-8 and what HTML might obey are written as `\uXXXX`. */
export function jsonBytes(bytes: Uint8Array): number {
  const text = JSON.stringify(new TextDecoder().decode(bytes));
  const escaped = text.match(/[<>&\u007f-\u009f\u2028\u2029\ufffd]/g)?.length ?? 0;
  return Buffer.byteLength(text) - 2 + 5 * escaped;
}
