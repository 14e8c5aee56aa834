import { ExitCode } from "../../../errors.ts";
import { containerWords, execCommand } from "../../options/container-options.ts";
import { sessionOptions, surroundingOptions } from "../../options/process-options.ts";
import { command } from "../../program/command.ts";

const options = { ...sessionOptions, ...surroundingOptions };

export const containerExec = command({
  path: ["container", "exec"],
  duration: "slow",
  interactive: true,
  summary: "Run one more command in a running container of a machine",
  options,
  arguments: { ...containerWords, command: true },
  failureCode: ExitCode.beforeCommand,
  text: `Runs COMMAND, behind --, in a container of the machine VM, and passes stdin (with -i), stdout,
stderr and the exit code through. Environment, working directory and user are the container's unless
options say otherwise. Without COMMAND, -i or -t runs /bin/sh. ID may be the start of an id. When
this command is ended, so is COMMAND.

Exit codes are those of machine run.`,
  examples: [
    { command: "smolvm container exec web 3f2a -- cat /etc/os-release" },
    { command: "smolvm container exec -it web 3f2a" },
  ],
  /** Resolves to the exit code of the command. */
  run: async ({ values, words, workload }) => {
    const { interactive, tty } = values;
    const argv = execCommand(workload, interactive || tty);
    const [{ connectMachine, execInContainer, variablesOf }, options, lent, terminal, { makeContext }] =
      await Promise.all([
        import("../../../machine/index.ts"),
        import("../../options/environment.ts"),
        import("../../options/lent.ts"),
        import("../../terminal/index.ts"),
        import("../../context.ts"),
      ]);
    if (interactive) terminal.checkStdin();
    const context = makeContext();
    const given = { env: await options.environmentOf(values), secrets: lent.secretsOf(values) };
    const env = await variablesOf(context, given);
    const [vm = "", id = ""] = words;
    const interrupts = new terminal.Interrupts();
    const machine = await connectMachine(context, vm);
    try {
      const process = await execInContainer(machine, id, {
        ...{ argv, env },
        cwd: values.workdir || undefined,
        user: values.user || undefined,
        tty: tty ? terminal.terminalSize() : undefined,
        stdin: interactive,
      });
      return await terminal.runInForeground(process, {
        ...{ interactive, tty, interrupts },
        timeoutMs: values.timeout,
      });
    } finally {
      machine.close();
    }
  },
});
