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
    const [{ connectMachine }, { environmentOf }, terminal, { makeContext }] = await Promise.all([
      import("../../../machine/index.ts"),
      import("../../options/environment.ts"),
      import("../../terminal/index.ts"),
      import("../../context.ts"),
    ]);
    const { interactive, tty } = values;
    if (interactive) terminal.checkStdin();
    const env = await environmentOf(values);
    const interrupts = new terminal.Interrupts();
    const machine = await connectMachine(makeContext(), machineNameOf({ values, words }));
    try {
      const process = machine.exec({
        env,
        argv: workload,
        cwd: values.workdir || undefined,
        user: values.user || undefined,
        tty: tty ? terminal.terminalSize() : undefined,
        stdin: interactive,
      });
      return await terminal.runInForeground(process, {
        interactive,
        tty,
        interrupts,
        timeoutMs: values.timeout,
      });
    } finally {
      machine.close();
    }
  },
});
