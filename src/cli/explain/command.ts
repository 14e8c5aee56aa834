import type { SmolError } from "../../errors.ts";
import type { NotInTable } from "../parse/index.ts";
import { COMMANDS, GROUPS } from "../table/index.ts";
import { seeHelp, usageError } from "../usage.ts";
import { LATER_COMMANDS, RENAMED_COMMANDS } from "./later-commands.ts";
import { nearest } from "./nearest.ts";

/** A command that does not exist: comes later, has another place, was renamed, or is misspelt. */
export function explainCommand({ word, where: { path } }: NotInTable): SmolError {
  const typed = [...path, word].join(" ");
  const later = LATER_COMMANDS.find(({ names }) => names.includes(typed));
  if (later) {
    const message = `\`smolvm ${typed}\` is not available in this release: ${later.reason}`;
    return usageError("cli.unavailable_command", message, seeHelp(path));
  }
  return usageError("cli.unknown_command", `unknown command \`${typed}\``, hintFor(path, word));
}

function hintFor(path: readonly string[], word: string): string {
  const renamed = path.length === 0 ? RENAMED_COMMANDS[word] : undefined;
  if (renamed) return `it is called \`smolvm ${renamed}\` now: smolvm machine run --image IMAGE -- COMMAND`;
  // `smolvm run`, `smolvm ls`: the word is right and stands in the wrong place.
  const moved = COMMANDS.find((command) => nameOf(command.path) === word || command.aliases.includes(word));
  if (moved) return `did you mean \`smolvm ${moved.path.join(" ")}\`?`;
  if (path.length === 0 && word === "ps") return "did you mean `smolvm machine ls`?";
  const siblings = COMMANDS.filter((command) => path.every((name, index) => command.path[index] === name));
  const choices = siblings.flatMap((command) => [command.path[path.length] ?? "", ...command.aliases]);
  const names = path.length === 0 ? [...choices, ...GROUPS.flatMap(({ aliases }) => aliases)] : choices;
  const suggestion = nearest(word, names);
  return suggestion ? `did you mean \`smolvm ${[...path, suggestion].join(" ")}\`?` : seeHelp(path);
}

function nameOf(path: readonly string[]): string | undefined {
  return path[path.length - 1];
}

/** `smolvm` or `smolvm machine` alone. */
export function explainIncomplete(path: readonly string[]): SmolError {
  const below = COMMANDS.filter((command) => path.every((name, index) => command.path[index] === name));
  const names = [...new Set(below.map((command) => command.path[path.length]))];
  const message = `expected a command after \`${["smolvm", ...path].join(" ")}\`: ${names.join(", ")}`;
  return usageError("cli.no_command", message, seeHelp(path));
}
