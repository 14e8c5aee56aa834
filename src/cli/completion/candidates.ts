import { namesOfStep, stepsAfter } from "../program/tree.ts";
import type { CommandSpec, OptionSpec, Program, ValueHint } from "../program/types.ts";

/** A word that may stand at the cursor. */
export interface Candidate {
  readonly word: string;
  readonly description?: string | undefined;
}

/** What a shell offers. */
export interface Offer {
  readonly candidates: readonly Candidate[];
  /** Names of files as well, which the shell knows best how to find. */
  readonly files: boolean;
}

/** Names that are not in the program; asked for only when one may stand at the cursor. */
export interface Names {
  readonly images: () => Promise<readonly string[]>;
  readonly machines: () => Promise<readonly string[]>;
  readonly environment: () => readonly string[];
}

const NOTHING: Offer = { candidates: [], files: false };

/**
 * What may stand in the place of the last one of `words`, which follow the program's name, whatever it begins with.
 * Behind the start of a guest's command, nothing: that is none of our business.
 */
export async function offerFor(program: Program, words: readonly string[], names: Names): Promise<Offer> {
  const current = words.at(-1) ?? "";
  const place = find(program, words.slice(0, -1));
  if (place === undefined) return NOTHING;
  const { command, path, expected, options, plainWords } = place;
  if (expected !== undefined) return valuesOf(expected.hint, names);
  const equals = current.startsWith("--") && options ? current.indexOf("=") : -1;
  if (equals > 0) {
    const start = current.slice(0, equals);
    const option = optionsAt(program, place).find((candidate) => namesOf(candidate).includes(start));
    const { candidates, files } = await valuesOf(option?.hint, names);
    return { candidates: candidates.map(({ word }) => ({ word: `${start}=${word}` })), files };
  }
  if (current.startsWith("-") && options) {
    const candidates = optionsAt(program, place).flatMap((option) =>
      namesOf(option).map((word) => ({ word, description: option.description })),
    );
    return { candidates, files: false };
  }
  if (command !== undefined) return wordsOf(command, plainWords, names);
  const steps = stepsAfter(program, path).map((step) => ({
    word: step.path.at(-1) ?? "",
    description: step.summary,
  }));
  return { candidates: steps, files: false };
}

/** `--image`, `-I` and further long names. */
export function namesOf({ long, short, aliases = [] }: OptionSpec): string[] {
  const shorts = short === undefined ? [] : [`-${short}`];
  return [`--${long}`, ...shorts, ...aliases.map((alias) => `--${alias}`)];
}

/** Where the cursor is. */
interface Place {
  path: readonly string[];
  command: CommandSpec | undefined;
  /** The option whose value stands at the cursor. */
  expected: OptionSpec | undefined;
  /** Options may stand there. */
  options: boolean;
  /** The command's words before it. */
  plainWords: number;
}

/** Undefined where nothing of ours can stand. */
function find(program: Program, words: readonly string[]): Place | undefined {
  const place: Place = { path: [], command: undefined, expected: undefined, options: true, plainWords: 0 };
  let help = false;
  for (const word of words) {
    const { command } = place;
    if (place.expected !== undefined) {
      place.expected = undefined;
    } else if (word === "--") {
      if (command?.arguments.kind !== "words" || command.arguments.command === true) return undefined;
      place.options = false;
    } else if (place.options && word.startsWith("-") && word !== "-") {
      place.expected = expectedAfter(optionsAt(program, place, true), word);
    } else if (command !== undefined) {
      if (help || command.arguments.kind === "command") return undefined;
      place.plainWords++;
    } else {
      const step = stepsAfter(program, place.path).find((next) => namesOfStep(next).includes(word));
      if (step === undefined) return undefined;
      // `help machine run` is completed like `machine run`, but for its options.
      if (step.path[0] === "help") help = true;
      else if ("options" in step) place.command = step;
      else place.path = step.path;
    }
  }
  if (help) {
    if (place.command !== undefined) return undefined;
    place.options = false;
  }
  return place;
}

/** The options that may stand at a place; with `any`, before a command, those of all commands. */
function optionsAt(program: Program, { command, path }: Place, any = false): OptionSpec[] {
  const { version, ...globals } = program.globals;
  const own = Object.values(command?.options ?? {});
  if (command !== undefined) return [...own, ...Object.values(globals)];
  const all = any ? program.commands.flatMap(({ options }) => Object.values(options)) : [];
  const top = path.length === 0 && version !== undefined ? [version] : [];
  return [...all, ...Object.values(globals), ...top];
}

/** The option whose value the next word is: behind `--image` or `-itI`, not behind `--image=x` or `-Ix`. */
function expectedAfter(options: readonly OptionSpec[], word: string): OptionSpec | undefined {
  const takesWord = ({ placeholder, optional }: OptionSpec) => placeholder !== undefined && !optional;
  if (word.startsWith("--")) {
    const option = options.find((candidate) => namesOf(candidate).includes(word));
    return option && takesWord(option) ? option : undefined;
  }
  for (let at = 1; at < word.length; at++) {
    const option = options.find(({ short }) => short === word[at]);
    if (option === undefined) return undefined;
    if (takesWord(option)) return at === word.length - 1 ? option : undefined;
  }
  return undefined;
}

async function wordsOf({ arguments: expected }: CommandSpec, before: number, names: Names): Promise<Offer> {
  if (expected.kind === "none" || (expected.kind === "words" && before >= expected.max)) return NOTHING;
  return valuesOf(expected.kind === "words" ? expected.hint : expected.named, names);
}

async function valuesOf(hint: ValueHint | undefined, names: Names): Promise<Offer> {
  const offer = (words: readonly string[], files = false) => ({
    candidates: words.map((word) => ({ word })),
    files,
  });
  switch (hint?.kind) {
    case undefined:
      return NOTHING;
    case "choice":
      return offer(hint.values);
    case "file":
      return offer([], true);
    case "image":
      return offer(await names.images(), hint.files);
    case "machine":
      return offer(await names.machines());
    case "place":
      return offer(
        (await names.machines()).map((name) => `${name}:`),
        true,
      );
    case "environment":
      return offer(names.environment());
  }
}
