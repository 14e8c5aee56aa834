import { ExitCode, SmolError } from "../errors.ts";
import type { Program } from "./program/types.ts";

/** An error in the arguments: exit code 2 whatever the command. */
export function usageError(code: string, message: string, hint?: string): SmolError {
  return new SmolError(code, message, { exitCode: ExitCode.usage, hint });
}

/** A value that its option cannot take; the parser puts the option's name in front of the message. */
export function badValue(message: string, hint?: string): SmolError {
  return usageError("cli.bad_value", message, hint);
}

/** The command of a program that shows how `path` is meant. */
export function seeHelp({ name }: Program, path: readonly string[]): string {
  return `see \`${[name, ...path, "-h"].join(" ")}\``;
}
