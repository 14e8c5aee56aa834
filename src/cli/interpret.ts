import { ExitCode } from "../errors.ts";
import { Interrupted } from "./interrupted.ts";
import { warn } from "./output.ts";
import { NotInTable, type Parsed, parse } from "./parse/index.ts";
import type { Invocation, Program } from "./program/types.ts";
import { report } from "./report.ts";
import { printVersion } from "./version.ts";

/**
 * Parses the arguments and carries them out; every failure ends as a message on stderr and an exit code.
 *
 * @param alone the program with no other command than these arguments name, where that can be loaded alone
 * @param whole loads the whole program
 */
export async function interpret(
  typed: readonly string[],
  alone: Program | undefined,
  whole: () => Promise<Program>,
): Promise<number> {
  let argv = typed;
  let invocation: Invocation | undefined;
  try {
    let program = alone;
    let parsed = alone && parseIfRight(alone, typed);
    if (program === undefined || parsed === undefined) {
      program = await whole();
      argv = await inWordsOfToday(program, typed);
      parsed = await parseOrExplain(program, argv);
    }
    if (parsed.kind === "command") {
      invocation = parsed.invocation;
      return await invocation.command.run(invocation, program);
    }
    return await answer(program, parsed);
  } catch (error) {
    if (error instanceof Interrupted) return error.exitCode;
    return report(error, {
      json: invocation ? wantsJson(invocation) : asksForJson(argv),
      failureCode: invocation?.command.failureCode ?? ExitCode.failure,
    });
  }
}

/** Undefined for words that the program does not have. */
function parseIfRight(program: Program, argv: readonly string[]): Parsed | undefined {
  try {
    return parse(program, argv);
  } catch (error) {
    if (error instanceof NotInTable) return undefined;
    throw error;
  }
}

/** Command lines of earlier releases work; a note says what they are called now. */
async function inWordsOfToday(program: Program, typed: readonly string[]): Promise<readonly string[]> {
  const { names, load } = program.former;
  if (!names.includes(typed[0] ?? "")) return typed;
  const rename = await load();
  const { argv, note } = await explained(program, () => rename(program, typed));
  if (note !== undefined) warn(note);
  return argv;
}

/** @throws SmolError with exit code 2 when the arguments are wrong */
export async function parseOrExplain(program: Program, argv: readonly string[]): Promise<Parsed> {
  return explained(program, () => parse(program, argv));
}

/** Says what to do about a word that the program does not have. */
async function explained<T>(program: Program, work: () => T): Promise<T> {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof NotInTable)) throw error;
    const { explain } = await import("./explain/index.ts");
    throw explain(program, error);
  }
}

async function answer(program: Program, parsed: Exclude<Parsed, { kind: "command" }>): Promise<number> {
  switch (parsed.kind) {
    case "version":
      await printVersion(program, parsed.json);
      return 0;
    case "help": {
      const { printHelp } = await import("./help/index.ts");
      await printHelp(program, parsed.topic, parsed.form);
      return 0;
    }
    case "incomplete": {
      const { explainIncomplete } = await import("./explain/index.ts");
      throw explainIncomplete(program, parsed.topic);
    }
  }
}

/** Who asked for JSON wants errors as JSON too, unless told otherwise. */
function wantsJson({ globals, values }: Invocation): boolean {
  return globals.errorFormat === undefined ? values.json === true : globals.errorFormat === "json";
}

/** The same for arguments that could not be parsed. */
function asksForJson(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  const words = end < 0 ? argv : argv.slice(0, end);
  const format = words.findLastIndex((word) => /^--error-format(?:=|$)/.test(word));
  if (format < 0) return words.includes("--json");
  return words[format] === "--error-format=json" || words[format + 1] === "json";
}
