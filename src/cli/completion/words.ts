import { program } from "../commands/index.ts";
import { stepsAfter } from "../program/tree.ts";
import type { CommandSpec, OptionSpec } from "../program/types.ts";

/** An option as shells know it: `-h` and `--help` are options of every command. */
export type CompletedOption = Pick<
  OptionSpec,
  "long" | "short" | "aliases" | "description" | "placeholder" | "optional" | "repeatable" | "hint"
>;

const GLOBAL = program.globals.map(
  (option): CompletedOption => ({
    ...option,
    placeholder: undefined,
    optional: false,
    repeatable: false,
    hint: undefined,
  }),
);

/** The options of the program itself. */
export const programOptions: readonly CompletedOption[] = GLOBAL;

/** All options of a command; of a group, when there is no such command. */
export function optionsOf(command: CommandSpec | undefined): readonly CompletedOption[] {
  const help = GLOBAL.filter(({ long }) => long === "help");
  return command === undefined ? help : [...Object.values(command.options), ...help];
}

/** `--image`, `-I` and further long names. */
export function namesOf({ long, short, aliases = [] }: CompletedOption): string[] {
  const shorts = short === undefined ? [] : [`-${short}`];
  return [`--${long}`, ...shorts, ...aliases.map((alias) => `--${alias}`)];
}

export function takesWord({ placeholder, optional }: CompletedOption): boolean {
  return placeholder !== undefined && !optional;
}

/** A word that may follow a path, and where it leads. */
export interface Step {
  readonly word: string;
  readonly aliases: readonly string[];
  readonly summary: string;
  /** The path after it, joined by spaces. */
  readonly path: string;
}

/** The words that may follow `path` (joined by spaces; empty for the program itself). */
export function stepsFrom(path: string): Step[] {
  return stepsAfter(program, path === "" ? [] : path.split(" ")).map((step) => ({
    word: step.path.at(-1) ?? "",
    aliases: step.aliases,
    summary: step.summary,
    path: step.path.join(" "),
  }));
}

/** Paths of the groups, joined by spaces. */
export const GROUP_PATHS: readonly string[] = program.groups.map(({ path }) => path.join(" "));

/** Every path that words may follow. */
export const BRANCHES: readonly string[] = ["", ...GROUP_PATHS];

/** Text as one word of a POSIX shell. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
