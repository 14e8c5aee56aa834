import { ExitCode } from "../../errors.ts";
import type { CommandSpec, OptionTable } from "./types.ts";

type Loads = "path" | "summary" | "options" | "details" | "load";

/** A command of the table; what most have in common need not be said: no other names, no arguments, failures are 1. */
export function command<O extends OptionTable>(
  facts: Pick<CommandSpec<O>, Loads> & Partial<Omit<CommandSpec<O>, Loads>>,
): CommandSpec<O> {
  return { aliases: [], arguments: { kind: "none" }, failureCode: ExitCode.failure, ...facts };
}
