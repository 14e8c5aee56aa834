import { parse, TomlError } from "smol-toml";
import { SmolError } from "../../errors.ts";
import { keyPositions, pathKey } from "./positions.ts";
import { type KeyErrors, TomlTable } from "./table.ts";

/** Deeper than anything that a file of ours has. */
const MAX_NESTING = 32;

/** A TOML file that was read: its tables, and where its keys stand. */
export class TomlDocument implements KeyErrors {
  readonly root: TomlTable;
  readonly #text: string;
  #positions: ReadonlyMap<string, number> | undefined;

  /**
   * @param file the name that messages begin with
   * @throws SmolError `config.bad_toml` with line and column; it never shows a part of the text, which may be a secret
   */
  constructor(
    readonly file: string,
    text: string,
  ) {
    this.#text = text;
    this.root = new TomlTable(this, [], parseText(file, text));
  }

  /** An error about a key. */
  failure(code: string, path: readonly string[], message: string, hint?: string): SmolError {
    const place = `${this.file}${this.#placeOf(path)}`;
    return new SmolError(code, `${place}: ${message}`, { hint });
  }

  /** `:line:column`, counted from 1. */
  #placeOf(path: readonly string[]): string {
    this.#positions ??= keyPositions(this.#text);
    const offset = this.#positions.get(pathKey(path));
    if (offset === undefined) return "";
    const before = this.#text.slice(0, offset).split("\n");
    return `:${before.length}:${(before.at(-1)?.length ?? 0) + 1}`;
  }
}

function parseText(file: string, text: string): Record<string, unknown> {
  try {
    return parse(text, { maxDepth: MAX_NESTING });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // The first line says what is wrong; the others quote the file.
    const [what = ""] = error.message.replace("Invalid TOML document: ", "").split("\n", 1);
    throw new SmolError("config.bad_toml", `${file}:${error.line}:${error.column}: ${what}`);
  }
}
