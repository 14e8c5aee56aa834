/** The entry of the role `__sdk`: one client, which started this process, on standard input and output. */
import { environment } from "../command-line.ts";
import { resolvePaths } from "../config/paths.ts";
import type { EngineName } from "../engine/index.ts";
import { engineNames } from "../engine/types.ts";
import { messageOf, SmolError } from "../errors.ts";
import { PipeTransport } from "../protocol/index.ts";
import { serveSdk } from "./child.ts";

/** @returns the exit code, once the client and all that it owned are gone */
export async function runSdk(): Promise<number> {
  const complain = (text: string) => void process.stderr.write(`${text}\n`);
  try {
    const context = { paths: resolvePaths(), environment: environment(), note: complain };
    const transport = new PipeTransport(process.stdin, process.stdout);
    // What a terminal sends to all of its programs is the client's to decide about.
    for (const signal of ["SIGINT", "SIGQUIT", "SIGHUP"] as const) process.on(signal, () => {});
    process.on("SIGTERM", () => transport.close());
    await serveSdk(context, transport, engineOf(context.environment));
    return 0;
  } catch (error) {
    complain(`error: ${messageOf(error)}`);
    return 1;
  }
}

/** @throws SmolError `cli.bad_engine` */
function engineOf(variables: Readonly<Record<string, string | undefined>>): EngineName | undefined {
  const name = variables.SMOLVM_ENGINE;
  if (name === undefined || name === "") return undefined;
  const known = engineNames.find((engine) => engine === name);
  if (known !== undefined) return known;
  throw new SmolError("cli.bad_engine", `SMOLVM_ENGINE names no engine: ${JSON.stringify(name)}`);
}
