import type { SmolError } from "../../errors.ts";
import { nearest } from "../../values/index.ts";
import type { NotInTable } from "../parse/index.ts";
import { commandsBelow, namesOfStep, nearestFirst, stepsAfter } from "../program/tree.ts";
import type { Program } from "../program/types.ts";
import { seeHelp, usageError } from "../usage.ts";
import { DOCKER_COMMANDS, LATER_COMMANDS } from "./later-commands.ts";

/** A command that does not exist: comes later, has another place, or is misspelt. */
export function explainCommand(program: Program, { word, where: { path } }: NotInTable): SmolError {
  const typed = [...path, word].join(" ");
  const later = LATER_COMMANDS.find(({ names }) => names.includes(typed));
  if (later) {
    const message = `\`${program.name} ${typed}\` is not available in this release: ${later.reason}`;
    return usageError("cli.unavailable_command", message, seeHelp(program, path));
  }
  return usageError("cli.unknown_command", `unknown command \`${typed}\``, hintFor(program, path, word));
}

function hintFor(program: Program, path: readonly string[], word: string): string {
  const other = DOCKER_COMMANDS.get([...path, word].join(" "));
  if (other) return `did you mean \`${program.name} ${other}\`?`;
  // `smolvm run`, `smolvm ls`: the word is right and stands in the wrong place.
  const moved = nearestFirst(program.commands, path).find(
    (command) => nameOf(command.path) === word || command.aliases.includes(word),
  );
  if (moved) return `did you mean \`${program.name} ${moved.path.join(" ")}\`?`;
  const suggestion = nearest(word, stepsAfter(program, path).flatMap(namesOfStep));
  return suggestion
    ? `did you mean \`${program.name} ${[...path, suggestion].join(" ")}\`?`
    : seeHelp(program, path);
}

function nameOf(path: readonly string[]): string | undefined {
  return path[path.length - 1];
}

/** `smolvm` or `smolvm machine` alone. */
export function explainIncomplete(program: Program, path: readonly string[]): SmolError {
  const names = [...new Set(commandsBelow(program, path).map((command) => command.path[path.length]))];
  const message = `expected a command after \`${[program.name, ...path].join(" ")}\`: ${names.join(", ")}`;
  // docker lists images by the word alone.
  const hint = path[0] === "images" ? "`smolvm images ls` lists the images" : seeHelp(program, path);
  return usageError("cli.no_command", message, hint);
}
