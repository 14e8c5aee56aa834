import { exec } from "./exec.ts";
import { ls } from "./ls.ts";
import { run } from "./run.ts";
import { completion, doctor, help } from "./system.ts";
import type { CommandSpec, GroupSpec } from "./types.ts";

/** Every command of this release, in the order in which help lists them. */
export const COMMANDS: readonly CommandSpec[] = [run, exec, ls, doctor, completion, help];

export const GROUPS: readonly GroupSpec[] = [
  { name: "machine", aliases: ["vm"], summary: "Run commands in machines and list them" },
];

/** The options of the program itself. */
export const GLOBAL_OPTIONS: readonly { short: string; long: string; description: string }[] = [
  { short: "h", long: "help", description: "Print help: -h in short, --help in full" },
  { short: "V", long: "version", description: "Print the version" },
];
