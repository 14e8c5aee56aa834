import { ExitCode, SmolError } from "../../../errors.ts";
import { isThere, openMachines } from "../../machines.ts";
import { machineName, machineNameOf } from "../../options/machine-name.ts";
import { sessionOptions, surroundingOptions } from "../../options/process-options.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";
import { usageError } from "../../usage.ts";

const options = {
  name: machineName,
  ...sessionOptions,
  ...surroundingOptions,
  detach: flag({
    long: "detach",
    short: "d",
    description: "Print the id of the process and leave it running",
  }),
  start: flag({ long: "start", description: "Start the machine first when it does not run" }),
  stream: flag({ long: "stream", description: "No effect: output always arrives as it is written" }),
};

export const exec = command({
  path: ["machine", "exec"],
  duration: "slow",
  interactive: true,
  summary: "Run one more command in a running machine",
  options,
  arguments: { kind: "command", required: true, named: { kind: "machine" } },
  failureCode: ExitCode.beforeCommand,
  text: `Runs COMMAND in a machine that runs already, beside the command that the machine was started for,
and passes stdin (with -i), stdout, stderr and the exit code through. Environment, working directory
and user are the machine's unless options say otherwise. Whatever happens to COMMAND, the machine
goes on. Options end at the first word that is not one, or at --; a single word before -- is the
machine's name: smolvm machine exec [OPTIONS] NAME -- COMMAND.

When this command is ended, so is COMMAND. With -d it is not: its id is printed, and machine ps,
attach, logs, wait and kill take that. -d goes with none of -i, -t and --timeout.

A machine that does not run is an error; with --start it is started.

Exit codes are those of machine run.`,
  examples: [
    { command: "smolvm machine run --name box -- sleep 600 &" },
    { command: "smolvm machine exec --name box -- cat /etc/os-release" },
    { command: "smolvm machine exec --name box -it -- sh" },
  ],
  /** Resolves to the exit code of the command. */
  run: async ({ values, words, workload }) => {
    rejectAttachedDetached(values);
    const machine = machineNameOf({ values, words });
    const { execShown, startDetachedShown } = await import("../../work/exec.ts");
    const { interactive, tty, start, timeout: timeoutMs } = values;
    const target = { machine, argv: workload, start };
    try {
      if (values.detach) return await startDetachedShown(values, target);
      return await execShown(values, target, { interactive, tty, timeoutMs });
    } catch (error) {
      throw await perhapsItsName(error, workload);
    }
  },
});

/** `exec NAME COMMAND`, without a `--`, looks for a machine that nobody named. */
async function perhapsItsName(error: unknown, [first = "", ...rest]: readonly string[]): Promise<unknown> {
  if (!(error instanceof SmolError) || error.code !== "machine.not_found" || rest.length === 0) return error;
  const { machines, context } = await openMachines();
  if (!isThere(machines, context, first)) return error;
  const { code, message } = error;
  return new SmolError(code, message, {
    hint: `if ${first} is meant as the machine: smolvm machine exec [OPTIONS] --name ${first} -- COMMAND`,
    cause: error,
  });
}

function rejectAttachedDetached(values: {
  readonly detach: boolean;
  readonly interactive: boolean;
  readonly tty: boolean;
  readonly stream: boolean;
  readonly timeout: number | undefined;
}): void {
  if (!values.detach) return;
  const { interactive, tty, stream, timeout } = values;
  const found = [
    ["-i", interactive],
    ["-t", tty],
    ["--stream", stream],
    ["--timeout", timeout !== undefined],
  ].find(([, given]) => given);
  if (found !== undefined) {
    throw usageError("cli.conflict", `-d cannot be used with ${found[0]}: nobody waits for the command`);
  }
}
