import { print, printJson } from "../output.ts";
import type { HelpForm } from "../parse/index.ts";
import type { CommandSpec, Program } from "../program/types.ts";
import { commandPage } from "./command.ts";
import { helpDocument } from "./document.ts";
import { formatPage } from "./page.ts";
import { groupPage, manualPage, overviewPage } from "./program.ts";

/** Prints what `helpText` says, or in the form `json` what `helpDocument` does. */
export async function printHelp(program: Program, topic: readonly string[], form: HelpForm): Promise<void> {
  if (form === "json") await printJson(helpDocument(program, topic));
  else await print(await helpText(program, topic, form === "long"));
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
