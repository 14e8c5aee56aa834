import { isThere, openMachines } from "../../machines.ts";
import { machineName, processWords } from "../../options/machine-name.ts";
import { processOf, WORKLOAD } from "../../options/process-name.ts";
import { command } from "../../program/command.ts";
import { valueOr } from "../../program/types.ts";
import { parseSignalNumber } from "../../values/signal.ts";

/** As in docker. */
const SIGKILL = 9;

const options = {
  name: machineName,
  signal: valueOr({
    long: "signal",
    short: "s",
    placeholder: "SIGNAL",
    description: "Which one, by name or number",
    fallback: SIGKILL,
    defaultText: "SIGKILL",
    parse: parseSignalNumber,
  }),
};

export const kill = command({
  path: ["machine", "kill"],
  summary: "Send a signal to a process in a machine",
  options,
  arguments: processWords,
  text: `Sends a signal to a process and its group. ID is what exec -d printed, or machine ps shows; without
one it is the machine's workload. The machine goes on.

A single word is the machine's name when there is such a machine, else an ID.`,
  examples: [{ command: "smolvm machine kill web" }, { command: "smolvm machine kill -s HUP web 4f1c" }],
  run: async (invocation) => {
    const { machines, context } = await openMachines();
    const { machine: name, process = WORKLOAD } = processOf(invocation, (name) =>
      isThere(machines, context, name),
    );
    const machine = await machines.connectMachine(context, name);
    try {
      await machines.killProcess(machine, process, invocation.values.signal);
      return 0;
    } finally {
      machine.close();
    }
  },
});
