import { print, printJson } from "./output.ts";
import type { Program } from "./program/types.ts";

/** Prints the program's name and version: what `--version` and the command `version` say. */
export async function printVersion({ name, version }: Program, json: boolean): Promise<void> {
  if (json) await printJson({ name, version });
  else await print(`${name} ${version}\n`);
}
