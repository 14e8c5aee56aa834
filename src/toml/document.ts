import { parse, TomlError } from "smol-toml";
import { SmolError } from "../errors.ts";
import { pathKey, type TomlPath } from "./path.ts";
import { keyPositions } from "./positions.ts";
import { type KeyErrors, type TomlCodes, TomlTable } from "./table.ts";

/** Deeper than anything that a file of ours has. */
const MAX_NESTING = 32;

/** A TOML file that was read: its tables, and where its keys stand. */
export class TomlDocument implements KeyErrors {
  readonly values: Readonly<Record<string, unknown>>;
  readonly #text: string;
  #positions: ReadonlyMap<string, number> | undefined;

  /**
   * @param file the name that messages begin with
   * @throws SmolError `codes.badToml` with line and column; it never shows a part of the text, which may be a secret
   */
  constructor(
    readonly file: string,
    text: string,
    readonly codes: TomlCodes,
  ) {
    this.#text = text;
    this.values = parseText(file, text, codes.badToml);
  }

  /** The whole document, to be read key by key. */
  get root(): TomlTable {
    return new TomlTable(this, [], this.values);
  }

  /** An error about a value, at its place in the file. */
  failure(code: string, path: TomlPath, message: string, hint?: string): SmolError {
    const place = `${this.file}${this.#placeOf(path)}`;
    return new SmolError(code, `${place}: ${message}`, { hint });
  }

  /** Where a value's key stands, or in an array the value itself; of one that has no place, where its table does. */
  offsetOf(path: TomlPath): number | undefined {
    this.#positions ??= keyPositions(this.#text);
    for (let { length } = path; length > 0; length--) {
      const offset = this.#positions.get(pathKey(path.slice(0, length)));
      if (offset !== undefined) return offset;
    }
    return undefined;
  }

  /** `:line:column`, counted from 1. */
  #placeOf(path: TomlPath): string {
    const offset = this.offsetOf(path);
    if (offset === undefined) return "";
    const before = this.#text.slice(0, offset).split("\n");
    return `:${before.length}:${(before.at(-1)?.length ?? 0) + 1}`;
  }
}

function parseText(file: string, text: string, code: string): Record<string, unknown> {
  try {
    return parse(text, { maxDepth: MAX_NESTING });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // The first line says what is wrong; the others quote the file.
    const [what = ""] = error.message.replace("Invalid TOML document: ", "").split("\n", 1);
    throw new SmolError(code, `${file}:${error.line}:${error.column}: ${what}`);
  }
}
