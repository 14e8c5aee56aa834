import { ExitCode } from "../../errors.ts";
import type { CommandSpec, OptionTable } from "./types.ts";

type Usual = "aliases" | "arguments" | "failureCode" | "kind" | "duration" | "interactive";

/**
 * A command; what most have in common need not be said: no other names, no arguments, failures are 1, it does
 * something, at once, without asking.
 */
export function command<O extends OptionTable>(
  facts: Omit<CommandSpec<O>, Usual> & Partial<Pick<CommandSpec<O>, Usual>>,
): CommandSpec<O> {
  const usual = {
    aliases: [],
    arguments: { kind: "none" },
    failureCode: ExitCode.failure,
    kind: "utility",
    duration: "fast",
    interactive: false,
  } as const;
  return { ...usual, ...facts };
}
