import { pathKey, type TomlPath } from "./path.ts";

/**
 * Where the keys of a TOML 1.0/1.1 document stand. The parser tells values but not their places, and a message
 * about a key should name its line. The text must be valid: this reads no more of the syntax than it takes to
 * get from one key to the next.
 *
 * @returns offsets of keys and of the elements of arrays, under `pathKey` of their full paths; of one that is met
 *   twice, the first place
 */
export function keyPositions(text: string): Map<string, number> {
  const scanner = new Scanner(text);
  scanner.document();
  return scanner.positions;
}

/** Deeper keys get no position of their own: nothing here is nested deeper, and a hostile file could be. */
const MAX_DEPTH = 8;

/** Elements of one array that get a position: the map must not become much larger than the file. */
const MAX_ELEMENTS = 10_000;

/** The parser refuses deeper arrays and inline tables long before this. */
const MAX_NESTING = 100;

class Scanner {
  readonly positions = new Map<string, number>();
  #at = 0;
  #depth = 0;

  constructor(readonly text: string) {}

  document(): void {
    let table: readonly string[] = [];
    for (this.#skipBlank(); this.#at < this.text.length; this.#skipBlank()) {
      if (this.#peek() === "[") {
        this.#skip(/\[+/y);
        table = this.#key([]);
        this.#skip(/[ \t]*\]+/y);
      } else {
        this.#pair(table);
      }
    }
  }

  #pair(table: readonly string[]): void {
    const path = this.#key(table);
    this.#skip(/[ \t]*=?\s*/y);
    this.#value(path);
  }

  /** A dotted key; every prefix of it is a key too. */
  #key(table: readonly string[]): readonly string[] {
    const path = [...table];
    do {
      this.#skip(/\s*/y);
      const start = this.#at;
      const bare = this.#skip(/[A-Za-z0-9_-]+/y);
      // At least one character is taken, so that this ends whatever the text is.
      path.push(bare === "" ? decode(this.#string() || this.#take()) : bare);
      this.#note(path, start);
    } while (this.#skip(/[ \t]*\./y) !== "");
    return path;
  }

  #note(path: TomlPath, offset: number): void {
    if (path.length > MAX_DEPTH) return;
    const key = pathKey(path);
    if (!this.positions.has(key)) this.positions.set(key, offset);
  }

  #value(path: readonly string[]): void {
    if (this.#string() !== "") return;
    const open = this.#peek();
    if (open !== "[" && open !== "{") {
      if (this.#skip(/[^,\]}\n#]+/y) === "") this.#take();
      return;
    }
    if (++this.#depth > MAX_NESTING) this.#at = this.text.length;
    this.#take();
    const close = open === "[" ? "]" : "}";
    let index = 0;
    for (this.#skipBlank(); this.#at < this.text.length; this.#skipBlank()) {
      if (this.#peek() === close) break;
      if (this.#peek() === ",") this.#take();
      else if (open === "{") this.#pair(path);
      else {
        if (index < MAX_ELEMENTS) this.#note([...path, index++], this.#at);
        this.#value(path);
      }
    }
    this.#take();
    this.#depth--;
  }

  /** A string with its quotes; empty when there is none here. */
  #string(): string {
    const start = this.#at;
    const quote = this.#peek();
    if (quote !== '"' && quote !== "'") return "";
    const isLong = this.text.startsWith(quote.repeat(3), start);
    const end = isLong ? quote.repeat(3) : quote;
    let at = start + end.length;
    while (at < this.text.length && !this.text.startsWith(end, at)) {
      at += quote === '"' && this.text[at] === "\\" ? 2 : 1;
    }
    at += end.length;
    // A long string may end in one or two quotes of its own.
    for (let extra = 0; isLong && extra < 2 && this.text[at] === quote; extra++) at++;
    this.#at = Math.min(at, this.text.length);
    return this.text.slice(start, this.#at);
  }

  #skipBlank(): void {
    while (this.#skip(/[\s\uFEFF]+/y) !== "" || this.#skip(/#[^\n]*/y) !== "");
  }

  #peek(): string | undefined {
    return this.text[this.#at];
  }

  #take(): string {
    return this.text[this.#at++] ?? "";
  }

  /** What a sticky pattern matches here, which is passed over. */
  #skip(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }
}

/** The text of a quoted key. */
function decode(quoted: string): string {
  const inside = quoted.slice(1, -1);
  return quoted.startsWith("'") ? inside : inside.replace(ESCAPE, decodeEscape);
}

const ESCAPE = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))/g;

function decodeEscape(_: string, byte?: string, short?: string, long?: string, letter = ""): string {
  const digits = byte ?? short ?? long;
  if (digits === undefined) return SIMPLE_ESCAPES[letter] ?? letter;
  return String.fromCodePoint(Math.min(Number.parseInt(digits, 16), 0x10ffff));
}

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  b: "\b",
  t: "\t",
  n: "\n",
  f: "\f",
  r: "\r",
  e: "\x1b",
};
