import { completionScript } from "../completion/index.ts";
import { print } from "../output.ts";
import { SHELLS } from "../table/system.ts";
import type { Invocation } from "../table/types.ts";
import { usageError } from "../usage.ts";

/** `completion SHELL`. */
export async function run({ words }: Invocation): Promise<number> {
  const shell = SHELLS.find((name) => name === words[0]);
  if (shell === undefined) {
    throw usageError(
      "cli.unknown_shell",
      `there is no completion for ${JSON.stringify(words[0])}`,
      `the shells are ${SHELLS.join(", ")}`,
    );
  }
  await print(completionScript(shell));
  return 0;
}
