/**
 * The end of a stream that a guest writes: bounded memory however much comes, and nothing in it that a terminal obeys.
 */

const NEWLINE = 0x0a;

/** Keeps the last bytes of a stream. */
export class ConsoleTail {
  readonly #capacity: number;
  #kept: Uint8Array[] = [];
  #size = 0;

  /** @param capacity how many bytes are kept at least; twice that is held at most */
  constructor(capacity = 16 * 1024) {
    this.#capacity = capacity;
  }

  /** Adds a chunk, which must not be changed afterwards. */
  push(chunk: Uint8Array): void {
    // A copy of the end: a view would keep the whole chunk alive.
    const end = chunk.length > this.#capacity ? Uint8Array.from(chunk.subarray(-this.#capacity)) : chunk;
    this.#kept.push(end);
    this.#size += end.length;
    if (this.#size >= 2 * this.#capacity || this.#kept.length > 256) this.#compact();
  }

  /** The last `lines` lines, sanitised, each at most `width` characters long. */
  text(lines = 20, width = 400): string {
    this.#compact();
    let end = this.#kept[0] ?? new Uint8Array(0);
    // The first line is cut off somewhere unless everything was kept.
    if (end.length === this.#capacity) end = end.subarray(end.indexOf(NEWLINE) + 1);
    return sanitize(new TextDecoder().decode(end))
      .split("\n")
      .filter((line) => line !== "")
      .slice(-lines)
      .map((line) => (line.length > width ? `${line.slice(0, width)}…` : line))
      .join("\n");
  }

  #compact(): void {
    const all = Buffer.concat(this.#kept);
    const end = all.length > this.#capacity ? all.subarray(-this.#capacity) : all;
    this.#kept = [Uint8Array.from(end)];
    this.#size = end.length;
  }
}

/** Removes what a terminal would obey: escape sequences, control characters but newline and tab, bidi overrides. */
export function sanitize(text: string): string {
  return (
    text
      // Control sequences (ECMA-48 5.4) and operating system commands, then whatever is left of control characters.
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this is about
      .replace(/\u001b\[[0-?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]{0,1000}(\u0007|\u001b\\)/g, "")
      .replaceAll("\r\n", "\n")
      // biome-ignore lint/suspicious/noControlCharactersInRegex: as above
      .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "")
  );
}
