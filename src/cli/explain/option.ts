import type { SmolError } from "../../errors.ts";
import { nearest } from "../../values/index.ts";
import type { NotInTable } from "../parse/index.ts";
import { commandsBelow, nearestFirst } from "../program/tree.ts";
import type { CommandSpec, OptionSpec, Program } from "../program/types.ts";
import { seeHelp, usageError } from "../usage.ts";
import { LATER_OPTIONS, OTHER_NAMES } from "./later-options.ts";

/** An option that the command does not have: exists elsewhere, comes later, is called otherwise, or is misspelt. */
export function explainOption(program: Program, { word, where }: NotInTable): SmolError {
  const command = "options" in where ? where : undefined;
  const later = LATER_OPTIONS.find(({ names }) => names.includes(word));
  if (later && (command === undefined || describesMachines(command))) {
    const verdict = later.always ? "is not needed" : "is not available in this release";
    const message = `${word} ${verdict}: ${later.reason}`;
    return usageError("cli.unavailable_option", message, later.hint);
  }
  const own = namesOf(program, command ? [command] : commandsBelow(program, where.path));
  const other = OTHER_NAMES[word];
  const suggestion = other && own.includes(other) ? other : nearest(word, own);
  const hint = suggestion
    ? `did you mean ${suggestion}?`
    : (elsewhere(program, word, where.path) ?? seeHelp(program, where.path));
  return usageError("cli.unknown_option", `unknown option ${word}`, hint);
}

/** Elsewhere `-p` or `--mount` is a mistake of another kind. */
function describesMachines({ path, arguments: expected, options }: CommandSpec): boolean {
  return expected.kind === "command" || "cpus" in options || ["start", "delete"].includes(path[1] ?? "");
}

function namesOf(program: Program, commands: readonly CommandSpec[]): string[] {
  const tables = [...commands.map((command) => command.options), program.globals];
  return tables.flatMap((table) => Object.values(table)).flatMap(optionNames);
}

function optionNames({ long, short, aliases = [] }: OptionSpec): string[] {
  return [long, ...aliases].map((name) => `--${name}`).concat(short === undefined ? [] : `-${short}`);
}

function elsewhere(program: Program, word: string, path: readonly string[]): string | undefined {
  const owner = nearestFirst(program.commands, path).find((command) =>
    Object.values(command.options).flatMap(optionNames).includes(word),
  );
  return owner && `${word} is an option of \`${program.name} ${owner.path.join(" ")}\``;
}
