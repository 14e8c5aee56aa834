import type { SmolError } from "../../errors.ts";
import type { CommandSpec, OptionSpec, OptionTable } from "../program/types.ts";
import { usageError } from "../usage.ts";
import { NotInTable } from "./errors.ts";

/** What a command's words say, before values are read. */
export interface Sorted {
  /** The texts given for each option, in order, under the option's key in its table. */
  readonly texts: ReadonlyMap<string, readonly string[]>;
  readonly words: readonly string[];
  /** Where each of `words` stands among all words. */
  readonly wordsAt: readonly number[];
  /** A command for the guest. */
  readonly workload: readonly string[];
  /** There is a `--`. */
  readonly explicit: boolean;
  /** `-h` or `--help` was among the options. */
  readonly help: "short" | "long" | undefined;
}

/**
 * Sorts a command's words into options and arguments, by the rules of getopt_long(3) as docker users know
 * them: `--long value`, `--long=value`, `-s value`, `-svalue`, `-s=value`, `-it`; `--` ends the options, and for
 * a command that runs something in a guest, so does the first word that is not an option.
 *
 * Every word ends up in the result, unchanged, or is refused.
 *
 * @param globals options that every command has
 * @throws SmolError with exit code 2
 * @throws NotInTable for an option that the command does not have
 */
export function sortWords(command: CommandSpec, globals: OptionTable, words: readonly string[]): Sorted {
  const sorter = new Sorter(command, globals, words);
  sorter.sort();
  return sorter;
}

class Sorter implements Sorted {
  readonly texts = new Map<string, string[]>();
  readonly words: string[] = [];
  readonly wordsAt: number[] = [];
  readonly workload: string[] = [];
  explicit = false;
  help: "short" | "long" | undefined;
  #next = 0;

  constructor(
    readonly command: CommandSpec,
    readonly globals: OptionTable,
    readonly input: readonly string[],
  ) {}

  sort(): void {
    while (this.#next < this.input.length && this.help === undefined) {
      const word = this.input[this.#next++] as string;
      if (word === "--") {
        this.explicit = true;
        if (this.#isForGuest) this.#takeWorkload();
        else while (this.#next < this.input.length) this.#plain(this.input[this.#next++] as string);
      } else if (word.startsWith("--")) {
        this.#long(word);
      } else if (word.startsWith("-") && word !== "-") {
        this.#cluster(word);
      } else {
        this.#word(word);
      }
    }
  }

  get #isForGuest(): boolean {
    const expected = this.command.arguments;
    return expected.kind === "command" || (expected.kind === "words" && expected.command === true);
  }

  #word(word: string): void {
    const expected = this.command.arguments;
    const isName = expected.kind === "command" && expected.named && this.input[this.#next] === "--";
    if (expected.kind !== "command" || isName) {
      this.#plain(word);
    } else {
      this.workload.push(word);
      this.#takeWorkload();
    }
  }

  #plain(word: string): void {
    this.words.push(word);
    this.wordsAt.push(this.#next - 1);
  }

  #takeWorkload(): void {
    this.workload.push(...this.input.slice(this.#next));
    this.#next = this.input.length;
  }

  #long(word: string): void {
    const equals = word.indexOf("=");
    const name = equals < 0 ? word : word.slice(0, equals);
    if (name === "--help" && equals < 0) {
      this.help = "long";
      return;
    }
    const [key, option] = this.#find(name, (spec) => `--${spec.long}` === name || isAlias(spec, name));
    this.#take(key, option, name, equals < 0 ? undefined : word.slice(equals + 1));
  }

  /** `-it`, `-eA=1`: letters up to the first one that takes a value; the rest of the word is that value. */
  #cluster(word: string): void {
    for (let at = 1; at < word.length && this.help === undefined; at++) {
      const letter = word[at] as string;
      if (letter === "h") {
        this.help = "short";
        return;
      }
      const [key, option] = this.#find(`-${letter}`, (spec) => spec.short === letter);
      const rest = word.slice(at + 1);
      if (option.placeholder === undefined || option.optional) {
        if (rest.startsWith("=")) throw noValue(`-${letter}`);
        this.#take(key, option, `-${letter}`, undefined);
      } else {
        this.#take(key, option, `-${letter}`, rest === "" ? undefined : rest.replace(/^=/, ""));
        return;
      }
    }
  }

  #find(name: string, matches: (spec: OptionSpec) => boolean): [string, OptionSpec] {
    const options = { ...this.globals, ...this.command.options };
    const found = Object.entries(options).find(([, spec]) => matches(spec));
    if (found) return found;
    throw new NotInTable("option", name, this.command, this.input.slice(this.#next));
  }

  #take(key: string, option: OptionSpec, name: string, attached: string | undefined): void {
    const before = this.texts.get(key);
    const takesValue = option.placeholder !== undefined;
    if (!takesValue && attached !== undefined) throw noValue(name);
    if (option.optional && attached === "") throw this.#missing(option, name);
    if (before && takesValue && !option.repeatable) {
      throw usageError("cli.repeated_option", `${name} was given twice`);
    }
    const text = attached ?? (takesValue && !option.optional ? this.#nextValue(option, name) : "");
    this.texts.set(key, [...(before ?? []), text]);
  }

  /** The word after an option. One that looks like an option is taken for a forgotten value. */
  #nextValue(option: OptionSpec, name: string): string {
    const word = this.input[this.#next];
    if (word === undefined || (word.startsWith("-") && word !== "-")) throw this.#missing(option, name, word);
    this.#next++;
    return word;
  }

  #missing(option: OptionSpec, name: string, found?: string): SmolError {
    const meant = `if ${found} is really meant as the value, write ${name.startsWith("--") ? `${name}=` : name}${found}`;
    const hint = option.missing ?? (found === undefined || found === "--" ? undefined : meant);
    return usageError("cli.missing_value", `${name} needs a value: ${name} ${option.placeholder}`, hint);
  }
}

function isAlias(spec: OptionSpec, name: string): boolean {
  return spec.aliases?.includes(name.slice(2)) ?? false;
}

function noValue(name: string): SmolError {
  return usageError("cli.unexpected_value", `${name} takes no value`);
}
