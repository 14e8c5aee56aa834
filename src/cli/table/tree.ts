import { COMMANDS, GROUPS } from "./index.ts";
import type { CommandSpec, GroupSpec } from "./types.ts";

/** Commands and groups form a tree of words: `config` leads to `registries`, and that to `path`. */
type Step = CommandSpec | GroupSpec;

/** The groups and commands that one word more leads to, after the proper names in `path`. */
export function stepsAfter(path: readonly string[]): Step[] {
  return [...GROUPS, ...COMMANDS].filter(
    (step) => step.path.length === path.length + 1 && isBelow(step, path),
  );
}

/** Every name of the last word of a step. */
export function namesOfStep({ path, aliases }: Step): string[] {
  return [path[path.length - 1] ?? "", ...aliases];
}

/** The commands that begin with `path`, at any depth. */
export function commandsBelow(path: readonly string[]): CommandSpec[] {
  return COMMANDS.filter((command) => isBelow(command, path));
}

function isBelow(step: Step, path: readonly string[]): boolean {
  return path.every((name, index) => step.path[index] === name);
}
