import type { SmolError } from "../errors.ts";
import { nearest } from "../values/index.ts";
import type { TomlPath } from "./path.ts";
import { isTable, nameOf, typeName } from "./words.ts";

/** The codes of the errors about one kind of file. */
export interface TomlCodes {
  readonly badToml: string;
  readonly unknownKey: string;
  readonly badValue: string;
}

/** Makes an error that says where in the file a key stands. */
export interface KeyErrors {
  readonly codes: TomlCodes;
  failure(code: string, path: TomlPath, message: string, hint?: string): SmolError;
}

/**
 * A table of a TOML document, read strictly: each value is asked for with its type, and `finish` refuses keys
 * that were not asked for.
 */
export class TomlTable {
  readonly #asked = new Set<string>();

  constructor(
    readonly errors: KeyErrors,
    readonly path: readonly string[],
    readonly values: Readonly<Record<string, unknown>>,
  ) {}

  has(key: string): boolean {
    return Object.hasOwn(this.values, key);
  }

  /** Every key of a table whose keys are free. */
  keys(): string[] {
    return Object.keys(this.values);
  }

  /** A text without control characters; empty ones are refused. */
  text(key: string): string | undefined {
    const value = this.#take(key);
    if (value === undefined) return undefined;
    if (typeof value !== "string") throw this.#wrongType(key, "a text", value);
    return this.#checkText(key, value);
  }

  /** An array of texts. */
  texts(key: string): string[] | undefined {
    const value = this.#take(key);
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) throw this.#wrongType(key, "an array of texts", value);
    return value.map((item: unknown) => {
      if (typeof item !== "string") throw this.#wrongType(key, "an array of texts", item);
      return this.#checkText(key, item);
    });
  }

  flag(key: string): boolean | undefined {
    const value = this.#take(key);
    if (value === undefined || typeof value === "boolean") return value;
    throw this.#wrongType(key, "true or false", value);
  }

  /** A whole number within a range. */
  count(key: string, min: number, max: number): number | undefined {
    const value = this.#take(key);
    if (value === undefined) return undefined;
    if (typeof value !== "number" || !Number.isInteger(value))
      throw this.#wrongType(key, "a whole number", value);
    if (value < min || value > max) {
      throw this.failure(key, `${this.nameOf(key)} must be between ${min} and ${max}, not ${value}`);
    }
    return value;
  }

  table(key: string): TomlTable | undefined {
    const value = this.#take(key);
    if (value === undefined) return undefined;
    if (!isTable(value)) throw this.#wrongType(key, "a table", value);
    return new TomlTable(this.errors, [...this.path, key], value);
  }

  /** A text or a number, which the caller understands. */
  textOrNumber(key: string): string | number | undefined {
    const value = this.#take(key);
    if (value === undefined || typeof value === "string" || typeof value === "number") return value;
    throw this.#wrongType(key, "a text or a number", value);
  }

  /** @throws SmolError `codes.unknownKey` for the first key that was not asked for */
  finish(): void {
    const unknown = this.keys().find((key) => !this.#asked.has(key));
    if (unknown === undefined) return;
    const known = [...this.#asked];
    const suggestion = nearest(unknown, known);
    const hint = suggestion === undefined ? `known here: ${known.join(", ")}` : `did you mean ${suggestion}?`;
    const path = [...this.path, unknown];
    throw this.errors.failure(
      this.errors.codes.unknownKey,
      path,
      `unknown key ${this.nameOf(unknown)}`,
      hint,
    );
  }

  /** An error about the value of a key. */
  failure(key: string, message: string, hint?: string): SmolError {
    return this.errors.failure(this.errors.codes.badValue, [...this.path, key], message, hint);
  }

  /** The full name of a key as one would write it: `images.registries."ghcr.io".password`. */
  nameOf(key: string): string {
    return nameOf([...this.path, key]);
  }

  #take(key: string): unknown {
    this.#asked.add(key);
    return this.has(key) ? this.values[key] : undefined;
  }

  #checkText(key: string, text: string): string {
    if (text.trim() === "") throw this.failure(key, `${this.nameOf(key)} must not be empty`);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
    if (/[\x00-\x1f\x7f]/.test(text))
      throw this.failure(key, `${this.nameOf(key)} must not contain control characters`);
    return text;
  }

  /** The value itself is not shown: it may be a secret. */
  #wrongType(key: string, expected: string, value: unknown): SmolError {
    return this.failure(key, `${this.nameOf(key)} must be ${expected}, not ${typeName(value)}`);
  }
}
