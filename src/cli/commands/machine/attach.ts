import { ExitCode } from "../../../errors.ts";
import { isThere, openMachines } from "../../machines.ts";
import { machineName, processWords } from "../../options/machine-name.ts";
import { processOf, WORKLOAD } from "../../options/process-name.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";

/** As much of its last output as fills a few screens. */
const REPLAY_BYTES = 64 * 1024;

const options = {
  name: machineName,
  noStdin: flag({ long: "no-stdin", description: "Leave the process's stdin alone" }),
};

export const attach = command({
  path: ["machine", "attach"],
  duration: "slow",
  interactive: true,
  summary: "Follow a process in a machine as if it ran here",
  options,
  arguments: processWords,
  failureCode: ExitCode.beforeCommand,
  text: `Attaches stdin, stdout and stderr to a process: its last output first, then what it prints from now
on. ID is what exec -d printed, or machine ps shows; without one it is the machine's workload. When
this command ends, by Ctrl-C too, the process goes on.

A single word is the machine's name when there is such a machine, else an ID.

Exit code: that of the process, when it ends.`,
  examples: [
    { command: "smolvm machine attach web" },
    { command: "smolvm machine attach web 4f1c" },
    { command: "smolvm machine attach 4f1c --no-stdin" },
  ],
  /** Resolves to the exit code of the process. */
  run: async (invocation) => {
    const { values } = invocation;
    const [{ machines, context }, terminal] = await Promise.all([
      openMachines(),
      import("../../terminal/index.ts"),
    ]);
    const { machine: name, process = WORKLOAD } = processOf(invocation, (name) =>
      isThere(machines, context, name),
    );
    const machine = await machines.connectMachine(context, name);
    const interrupts = new terminal.Interrupts();
    try {
      const found = (await machines.listProcesses(machine)).find(
        ({ id, name }) => name === process || id.startsWith(process),
      );
      const interactive = !values.noStdin && found?.stdin === true;
      const attached = await machines.attachProcess(machine, {
        process,
        replay: REPLAY_BYTES,
        stdin: interactive,
        hold: crypto.randomUUID(),
      });
      return await terminal.runInForeground(attached, {
        interactive,
        interrupts,
        leave: true,
        tty: found?.tty === true,
      });
    } finally {
      machine.close();
    }
  },
});
