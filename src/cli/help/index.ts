import { print } from "../output.ts";
import type { CommandSpec, Program } from "../program/types.ts";
import { commandPage } from "./command.ts";
import { formatPage } from "./page.ts";
import { groupPage, manualPage, overviewPage } from "./program.ts";

/** Prints what `helpText` says. */
export async function printHelp(program: Program, topic: readonly string[], long: boolean): Promise<void> {
  await print(await helpText(program, topic, long));
}

/**
 * The help of what is called `topic` (a command's path, a group's, or nothing: the whole program).
 * `long` adds explanations and examples.
 */
export async function helpText(program: Program, topic: readonly string[], long: boolean): Promise<string> {
  const command = program.commands.find((spec) => samePath(spec, topic));
  const page = command
    ? commandPage(program, command, long)
    : topic.length > 0
      ? groupPage(program, topic)
      : long
        ? await manualPage(program)
        : overviewPage(program);
  return formatPage(page);
}

function samePath({ path }: CommandSpec, topic: readonly string[]): boolean {
  return path.length === topic.length && path.every((word, index) => word === topic[index]);
}
