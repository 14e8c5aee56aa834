import { execInMachine } from "../../machine/index.ts";
import { checkStdin } from "../../stdio/index.ts";
import type { execOptions } from "../table/exec.ts";
import type { Invocation } from "../table/types.ts";
import { environmentOf } from "./environment.ts";

/** `machine exec`. Resolves to the exit code of the command. */
export async function run({ values, words }: Invocation<typeof execOptions>): Promise<number> {
  if (values.interactive) checkStdin();
  return execInMachine({
    name: values.name,
    command: words,
    interactive: values.interactive,
    tty: values.tty,
    env: await environmentOf(values),
    workdir: values.workdir,
    user: values.user,
    timeoutMs: values.timeout,
  });
}
