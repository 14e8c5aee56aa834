import type { CommandSpec, Program } from "../program/types.ts";
import { printCommandHelp } from "./command.ts";
import { printGroupHelp, printManual, printOverview } from "./program.ts";

/**
 * Prints the help of what is called `topic` (a command's path, a group's, or nothing: the whole program) on
 * stdout. `long` adds explanations and examples.
 */
export async function printHelp(program: Program, topic: readonly string[], long: boolean): Promise<void> {
  const command = program.commands.find((spec) => samePath(spec, topic));
  if (command) printCommandHelp(program, command, long);
  else if (topic.length > 0) printGroupHelp(program, topic);
  else if (long) await printManual(program);
  else printOverview(program);
}

function samePath({ path }: CommandSpec, topic: readonly string[]): boolean {
  return path.length === topic.length && path.every((word, index) => word === topic[index]);
}
