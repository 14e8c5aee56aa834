/** Cuts a stream of bytes into lines, in bounded memory. */

const NEWLINE = 0x0a;

/**
 * Calls back with each line, its newline included. A line that is longer than the bound comes in pieces, cut between
 * characters where it is UTF-8.
 */
export class LineCutter {
  readonly #maxBytes: number;
  readonly #onLine: (line: Uint8Array) => void;
  /** The start of a line whose end has not come yet. */
  #partial: Uint8Array = new Uint8Array(0);
  #length = 0;

  /**
   * @param maxBytes of a piece, at least 4
   * @param onLine the bytes are valid only during the call
   */
  constructor(maxBytes: number, onLine: (line: Uint8Array) => void) {
    this.#maxBytes = maxBytes;
    this.#onLine = onLine;
  }

  push(bytes: Uint8Array): void {
    for (let start = 0; start < bytes.length; ) {
      const newline = bytes.indexOf(NEWLINE, start);
      const end = newline < 0 ? bytes.length : newline + 1;
      this.#take(bytes.subarray(start, end), newline >= 0);
      start = end;
    }
  }

  /** The stream has ended: what is left is its last line. */
  end(): void {
    const line = this.#partial.subarray(0, this.#length);
    this.#length = 0;
    if (line.length > 0) this.#onLine(line);
  }

  #take(line: Uint8Array, ended: boolean): void {
    let rest = line;
    while (this.#length + rest.length > this.#maxBytes) {
      const room = this.#maxBytes - this.#length;
      this.#keep(rest.subarray(0, room));
      rest = rest.subarray(room);
      this.#cut();
    }
    if (ended && this.#length === 0) {
      this.#onLine(rest);
      return;
    }
    this.#keep(rest);
    if (ended) this.end();
  }

  /** Hands over all that is kept but the start of a character. */
  #cut(): void {
    const length = wholeCharacters(this.#partial.subarray(0, this.#length));
    this.#onLine(this.#partial.subarray(0, length));
    this.#partial.copyWithin(0, length, this.#length);
    this.#length -= length;
  }

  #keep(bytes: Uint8Array): void {
    const length = this.#length + bytes.length;
    if (length > this.#partial.length) {
      const larger = new Uint8Array(Math.min(this.#maxBytes, Math.max(256, 2 * length)));
      larger.set(this.#partial.subarray(0, this.#length));
      this.#partial = larger;
    }
    this.#partial.set(bytes, this.#length);
    this.#length = length;
  }
}

/** How many of the bytes are left when an unfinished UTF-8 sequence at their end is not counted. */
function wholeCharacters(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] as number;
    if (byte < 0x80) return bytes.length;
    if (byte < 0xc0) continue;
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return needed > back && bytes.length > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}
