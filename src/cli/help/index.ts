import { COMMANDS } from "../table/index.ts";
import type { CommandSpec } from "../table/types.ts";
import { printCommandHelp } from "./command.ts";
import { printGroupHelp, printManual, printOverview } from "./program.ts";

/**
 * Prints the help of what is called `topic` (a command's path, a group's, or nothing: the whole program) on
 * stdout. `long` adds explanations and examples.
 */
export async function printHelp(topic: readonly string[], long: boolean): Promise<void> {
  const command = COMMANDS.find((spec) => samePath(spec, topic));
  if (command) await printCommandHelp(command, long);
  else if (topic.length > 0) printGroupHelp(topic);
  else if (long) printManual();
  else printOverview();
}

function samePath({ path }: CommandSpec, topic: readonly string[]): boolean {
  return path.length === topic.length && path.every((word, index) => word === topic[index]);
}
