import { errnoOf, SmolError } from "../errors.ts";

/** What to say when our own output cannot be written. In a file of its own: `--version` is loaded without node:fs. */
export function cannotWrite(name: "stdout" | "stderr", error: unknown): SmolError {
  return new SmolError("cli.stdout", `cannot write to ${name}: ${errnoOf(error) ?? "unknown error"}`, {
    cause: error,
  });
}
