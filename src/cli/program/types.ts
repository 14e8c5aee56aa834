/**
 * The shape of a program's commands. Parsing, help and completions are all made from it, so an option that is
 * written down in a command exists everywhere, and one that is not exists nowhere.
 */

/** What a shell can offer for a value. */
export type ValueHint =
  | { readonly kind: "choice"; readonly values: readonly string[] }
  | { readonly kind: "file" }
  /** Images that are kept on this host; with `files`, also files. */
  | { readonly kind: "image"; readonly files?: boolean }
  | { readonly kind: "machine" }
  /** `NAME:PATH` in a machine, or a file. */
  | { readonly kind: "place" }
  | { readonly kind: "environment" };

interface OptionFacts {
  /** Without the dashes. */
  readonly long: string;
  readonly short?: string | undefined;
  /** Other long names that mean the same; accepted and completed, not listed in the help. */
  readonly aliases?: readonly string[] | undefined;
  /** One sentence of at most 66 characters: that is the room in a 100-column help page. */
  readonly description: string;
  /** The title under which the help lists it, with others of that title. */
  readonly section?: string | undefined;
}

/** An option as the parser sees it; `T` is the type of its parsed value. */
export interface OptionSpec<T = unknown> extends OptionFacts {
  /** Name of the value in help texts; undefined for an option that takes none. */
  readonly placeholder: string | undefined;
  /** The value may be left out (`--timings`); one that is given must then follow a `=`. */
  readonly optional: boolean;
  readonly repeatable: boolean;
  /** As the help shows it. */
  readonly defaultText: string | undefined;
  readonly hint: ValueHint | undefined;
  readonly missing?: string | undefined;
  /**
   * Makes the value from every text that was given for the option, in order. An absent option has none; one
   * that was given without a value has an empty text.
   *
   * @throws SmolError `cli.bad_value`
   */
  readonly read: (texts: readonly string[]) => T;
}

interface ValueFacts extends OptionFacts {
  readonly placeholder: string;
  readonly hint?: ValueHint | undefined;
  /** What is to be done when the value was forgotten. */
  readonly missing?: string | undefined;
}

/** An option without a value. */
export function flag(facts: OptionFacts): OptionSpec<boolean> {
  return {
    ...facts,
    placeholder: undefined,
    optional: false,
    repeatable: false,
    defaultText: undefined,
    hint: undefined,
    read: (texts) => texts.length > 0,
  };
}

/** An option with one value, undefined when absent; `defaultText` tells what that means. */
export function value<T>(
  facts: ValueFacts & { parse: (text: string) => T; defaultText?: string },
): OptionSpec<T | undefined> {
  const { parse, defaultText, ...rest } = facts;
  return {
    hint: undefined,
    ...rest,
    optional: false,
    repeatable: false,
    defaultText,
    read: ([text]) => (text === undefined ? undefined : parse(text)),
  };
}

/** An option with one value and a default. */
export function valueOr<T>(
  facts: ValueFacts & { parse: (text: string) => T; fallback: T; unit?: string; defaultText?: string },
): OptionSpec<T> {
  const { parse, fallback, unit, defaultText, ...rest } = facts;
  return {
    hint: undefined,
    ...rest,
    optional: false,
    repeatable: false,
    defaultText: defaultText ?? (unit === undefined ? String(fallback) : `${fallback} ${unit}`),
    read: ([text]) => (text === undefined ? fallback : parse(text)),
  };
}

/** An option whose value may be left out, in which case it is `bare`. */
export function optionalValue<T>(
  facts: ValueFacts & { parse: (text: string) => T; bare: T },
): OptionSpec<T | undefined> {
  const { parse, bare, ...rest } = facts;
  return {
    hint: undefined,
    ...rest,
    optional: true,
    repeatable: false,
    defaultText: undefined,
    read: ([text]) => (text === undefined ? undefined : text === "" ? bare : parse(text)),
  };
}

/** An option that may be given several times. */
export function list<T>(facts: ValueFacts & { parse: (text: string) => T }): OptionSpec<readonly T[]> {
  const { parse, ...rest } = facts;
  return {
    hint: undefined,
    ...rest,
    optional: false,
    repeatable: true,
    defaultText: undefined,
    read: (texts) => texts.map(parse),
  };
}

/** Gives options a common title in the help. */
export function section<O extends OptionTable>(title: string, options: O): O {
  const titled = Object.entries(options).map(([key, option]) => [key, { ...option, section: title }]);
  return Object.fromEntries(titled) as O;
}

export type OptionTable = Readonly<Record<string, OptionSpec>>;

/** The parsed values of a table of options, under the table's own keys. */
export type Values<O extends OptionTable> = {
  readonly [K in keyof O]: O[K] extends OptionSpec<infer T> ? T : never;
};

/** A table without some of its options. */
export function without<O extends OptionTable, K extends keyof O>(
  options: O,
  ...keys: readonly K[]
): Omit<O, K> {
  const kept = Object.entries(options).filter(([key]) => !(keys as readonly PropertyKey[]).includes(key));
  return Object.fromEntries(kept) as Omit<O, K>;
}

/** The values of options of which none was given. */
export function defaultsOf<O extends OptionTable>(options: O): Values<O> {
  const defaults = Object.entries(options).map(([key, option]) => [key, option.read([])]);
  return Object.fromEntries(defaults) as Values<O>;
}

/** What may follow the options. */
export type Arguments =
  | { readonly kind: "none" }
  /**
   * The first word that is not an option, and everything after it, is a command for the guest. With `named`, one word
   * right before `--` is not: `exec NAME -- COMMAND`.
   */
  | { readonly kind: "command"; readonly required: boolean; readonly named?: ValueHint | undefined }
  /** At most `max` words, mixed with options; with `command`, what follows `--` is a command for the guest. */
  | {
      readonly kind: "words";
      readonly placeholder: string;
      readonly min: number;
      readonly max: number;
      readonly hint?: ValueHint | undefined;
      readonly command?: boolean | undefined;
    };

export interface Example {
  readonly command: string;
  readonly comment?: string | undefined;
}

/** A command's values and words, checked. */
export interface Invocation<O extends OptionTable = OptionTable> {
  readonly command: CommandSpec;
  readonly values: Values<O>;
  /** Keys of the options that were given, rather than left at their defaults. */
  readonly given: ReadonlySet<string>;
  /** The values of the program's own options. */
  readonly globals: Readonly<Record<string, unknown>>;
  /** Plain words: names and the like. */
  readonly words: readonly string[];
  /** The command for the guest, untouched; empty when there is none. */
  readonly workload: readonly string[];
  /** The arguments have a `--`. */
  readonly explicit: boolean;
}

export type Duration = "fast" | "med" | "slow";

/** What the help, the parser and completions have to know about a command. */
interface CommandFacts<O extends OptionTable> {
  /** One to three words: `["machine", "run"]`. */
  readonly path: readonly string[];
  /** Other names of the last word. */
  readonly aliases: readonly string[];
  /** One sentence of at most 70 characters, without a full stop. */
  readonly summary: string;
  readonly options: O;
  readonly arguments: Arguments;
  /** Exit code of failures that have no code of their own. */
  readonly failureCode: number;
  /** Whether it does something, only looks, or is about the program itself. */
  readonly kind: "utility" | "status" | "meta";
  /** How long a caller who wants to plan should reckon with; help/document.ts says what the words mean. */
  readonly duration: Duration;
  /** At a terminal it may ask something, or be a session. Elsewhere no command waits for a person. */
  readonly interactive: boolean;
  /** What `--help` says beyond the summary and the options: paragraphs, at most 100 columns wide. */
  readonly text: string;
  readonly examples: readonly Example[];
}

export interface CommandSpec<O extends OptionTable = OptionTable> extends CommandFacts<O> {
  /** Carries out the command; resolves to the exit code. What it needs, it loads. */
  run(invocation: Invocation<O>, program: Program): Promise<number>;
}

/** Words that only lead to other words: `["machine"]`, `["config", "registries"]`. */
export interface GroupSpec {
  readonly path: readonly string[];
  /** Other names of the last word. */
  readonly aliases: readonly string[];
  readonly summary: string;
}

/** A part of a help page. */
export interface Section {
  readonly title?: string | undefined;
  readonly body: string;
}

/** The parts of the manual that are not made from commands; at most 100 columns wide. */
export interface Manual {
  /** Before the commands, and behind them. */
  readonly introduction: readonly Section[];
  readonly rules: readonly Section[];
}

/** A whole command line: what parsing, help and completions are made from. */
export interface Program {
  readonly name: string;
  readonly version: string;
  /** One sentence, which the version comes before. */
  readonly summary: string;
  /** In the order in which help lists them. */
  readonly commands: readonly CommandSpec[];
  readonly groups: readonly GroupSpec[];
  /** Options of the program itself, which every command takes too; but for `version`. */
  readonly globals: OptionTable;
  readonly manual: () => Promise<Manual>;
  /** First words of earlier releases, and what makes today's words of a command line that begins with one. */
  readonly former: {
    readonly names: readonly string[];
    readonly load: () => Promise<(program: Program, argv: readonly string[]) => Renamed>;
  };
}

/** A command line of an earlier release in the words of today. */
export interface Renamed {
  readonly argv: readonly string[];
  /** What the user should know about that. */
  readonly note: string | undefined;
}
