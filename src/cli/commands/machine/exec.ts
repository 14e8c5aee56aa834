import { ExitCode } from "../../../errors.ts";
import { machineName, machineNameOf } from "../../options/machine-name.ts";
import { processOptions } from "../../options/process-options.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";

const options = {
  name: machineName,
  ...processOptions,
  stream: flag({ long: "stream", description: "No effect: output always arrives as it is written" }),
};

export const exec = command({
  path: ["machine", "exec"],
  summary: "Run one more command in a running machine",
  options,
  arguments: { kind: "command", required: true, named: { kind: "machine" } },
  failureCode: ExitCode.beforeCommand,
  text: `Runs COMMAND in a machine that runs already, beside the command that the machine was started for,
and passes stdin (with -i), stdout, stderr and the exit code through. Environment, working directory
and user are the machine's unless options say otherwise. Whatever happens to COMMAND, the machine
goes on.

Exit codes are those of machine run.`,
  examples: [
    { command: "smolvm machine run --name box -- sleep 600 &" },
    { command: "smolvm machine exec --name box -- cat /etc/os-release" },
    { command: "smolvm machine exec --name box -it -- sh" },
  ],
  /** Resolves to the exit code of the command. */
  run: async ({ values, words, workload }) => {
    const [{ execInMachine }, { environmentOf }, { checkStdin }] = await Promise.all([
      import("../../../machine/index.ts"),
      import("../../options/environment.ts"),
      import("../../../stdio/index.ts"),
    ]);
    if (values.interactive) checkStdin();
    return execInMachine({
      name: machineNameOf({ values, words }),
      command: workload,
      interactive: values.interactive,
      tty: values.tty,
      env: await environmentOf(values),
      workdir: values.workdir,
      user: values.user,
      timeoutMs: values.timeout,
    });
  },
});
