import { ExitCode } from "../../errors.ts";
import type { CommandSpec, OptionTable } from "./types.ts";

type Usual = "aliases" | "arguments" | "failureCode";

/** A command; what most have in common need not be said: no other names, no arguments, failures are 1. */
export function command<O extends OptionTable>(
  facts: Omit<CommandSpec<O>, Usual> & Partial<Pick<CommandSpec<O>, Usual>>,
): CommandSpec<O> {
  return { aliases: [], arguments: { kind: "none" }, failureCode: ExitCode.failure, ...facts };
}
