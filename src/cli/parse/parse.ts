import { SmolError } from "../../errors.ts";
import { namesOfStep, stepsAfter } from "../program/tree.ts";
import type { CommandSpec, Invocation, OptionSpec, OptionTable, Program, Values } from "../program/types.ts";
import { seeHelp, usageError } from "../usage.ts";
import { takesNextWord } from "./early.ts";
import { NotInTable } from "./errors.ts";
import { type Sorted, sortWords } from "./options.ts";

/** `-h`, `--help`; either of them together with `--json`. */
export type HelpForm = "short" | "long" | "json";

/** What the arguments ask for. */
export type Parsed =
  | { readonly kind: "version"; readonly json: boolean }
  /** `topic` is the path of a command, of a group, or empty. */
  | { readonly kind: "help"; readonly topic: readonly string[]; readonly form: HelpForm }
  /** No command at all, or only a group's name. */
  | { readonly kind: "incomplete"; readonly topic: readonly string[] }
  | { readonly kind: "command"; readonly invocation: Invocation };

/**
 * Parses the arguments after the program's name.
 *
 * No library does this: parsers turn values into numbers (`007` becomes 7, an empty one 0), take the next word for
 * the value of `--name=`, do not stop at the first word of the guest's command, or know commands of one word only. A
 * guest's arguments must arrive untouched.
 *
 * @throws SmolError with exit code 2
 * @throws NotInTable for a command or an option that the program does not have
 */
export function parse(program: Program, argv: readonly string[]): Parsed {
  let path: readonly string[] = [];
  /** Options before the command's last word belong to the command: `smolvm --engine qemu machine run`. */
  const early: string[] = [];
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] as string;
    if (word === "--")
      throw usageError("cli.no_command", "expected a command before --", seeHelp(program, []));
    if (word.startsWith("-") && word !== "-") {
      if (path.length === 0 && (word === "--version" || word === "-V"))
        return { kind: "version", json: asksForJson(argv) };
      early.push(word);
      const next = argv[at + 1];
      if (takesNextWord(program, path, word, next) && next !== undefined) {
        early.push(next);
        at++;
      }
      continue;
    }
    const step = stepsAfter(program, path).find((next) => namesOfStep(next).includes(word));
    if (step === undefined) throw new NotInTable("command", word, { path }, argv.slice(at + 1));
    if ("options" in step) return parseCommand(program, step, [...early, ...argv.slice(at + 1)]);
    path = step.path;
  }
  const help = early.find((word) => word === "-h" || word === "--help");
  if (help) return { kind: "help", topic: path, form: formOf(help === "--help" ? "long" : "short", early) };
  if (early.length > 0) {
    throw usageError("cli.no_command", `expected a command after ${early.join(" ")}`, seeHelp(program, path));
  }
  return { kind: "incomplete", topic: path };
}

function parseCommand(program: Program, command: CommandSpec, words: readonly string[]): Parsed {
  const { version: _, help: __, ...globals } = program.globals;
  const sorted = sortWords(command, globals, words);
  if (sorted.help) return { kind: "help", topic: command.path, form: formOf(sorted.help, words) };
  checkWords(program, command, sorted);
  const invocation = {
    command,
    values: readValues(command.options, sorted.texts),
    given: new Set(sorted.texts.keys()),
    globals: readValues(globals, sorted.texts),
    words: sorted.words,
    workload: sorted.workload,
    explicit: sorted.explicit,
  };
  return { kind: "command", invocation };
}

function checkWords(program: Program, command: CommandSpec, { words, workload }: Sorted): void {
  const expected = command.arguments;
  if (expected.kind === "command") {
    if (workload.length > 0 || !expected.required) return;
    throw usageError(
      "cli.missing_word",
      `${command.path.join(" ")} needs a command`,
      seeHelp(program, command.path),
    );
  }
  const [min, max] = expected.kind === "none" ? [0, 0] : [expected.min, expected.max];
  if (words.length > max) {
    throw usageError(
      "cli.unexpected_word",
      `unexpected argument: ${words[max]}`,
      seeHelp(program, command.path),
    );
  }
  if (words.length < min && expected.kind === "words") {
    throw usageError(
      "cli.missing_word",
      `${command.path.join(" ")} needs ${expected.placeholder}`,
      seeHelp(program, command.path),
    );
  }
}

function readValues<O extends OptionTable>(options: O, texts: Sorted["texts"]): Values<O> {
  const read = ([key, option]: [string, OptionSpec]) => {
    try {
      return [key, option.read(texts.get(key) ?? [])];
    } catch (error) {
      if (!(error instanceof SmolError)) throw error;
      throw usageError(error.code, `--${option.long}: ${error.message}`, error.hint);
    }
  };
  return Object.fromEntries(Object.entries(options).map(read)) as Values<O>;
}

function formOf(form: "short" | "long", words: readonly string[]): HelpForm {
  return asksForJson(words) ? "json" : form;
}

/** Behind a request for help or the version no word is looked at but this one. */
function asksForJson(words: readonly string[]): boolean {
  const end = words.indexOf("--");
  return (end < 0 ? words : words.slice(0, end)).includes("--json");
}
