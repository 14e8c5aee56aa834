import type { CommandSpec, GroupSpec, Program } from "./types.ts";

/** Commands and groups form a tree of words: `config` leads to `registries`, and that to `path`. */
type Step = CommandSpec | GroupSpec;

/** The groups and commands that one word more leads to, after the proper names in `path`. */
export function stepsAfter({ groups, commands }: Program, path: readonly string[]): Step[] {
  return [...groups, ...commands].filter(
    (step) => step.path.length === path.length + 1 && isBelow(step, path),
  );
}

/** Every name of the last word of a step. */
export function namesOfStep({ path, aliases }: Step): string[] {
  return [path[path.length - 1] ?? "", ...aliases];
}

/** The commands that begin with `path`, at any depth. */
export function commandsBelow({ commands }: Program, path: readonly string[]): CommandSpec[] {
  return commands.filter((command) => isBelow(command, path));
}

function isBelow(step: Step, path: readonly string[]): boolean {
  return path.every((name, index) => step.path[index] === name);
}

/** The same commands, those first that have the most words in common with `path`: what a user there more likely meant. */
export function nearestFirst(commands: readonly CommandSpec[], path: readonly string[]): CommandSpec[] {
  const shared = (command: CommandSpec) => {
    const differs = path.findIndex((name, index) => command.path[index] !== name);
    return differs === -1 ? path.length : differs;
  };
  return commands.toSorted((a, b) => shared(b) - shared(a));
}
