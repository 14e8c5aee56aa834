import { isThere, openMachines } from "../../machines.ts";
import { machineName, processWords } from "../../options/machine-name.ts";
import { processOf } from "../../options/process-name.ts";
import { print } from "../../output.ts";
import { command } from "../../program/command.ts";
import { value, valueOr } from "../../program/types.ts";
import { usageError } from "../../usage.ts";
import { parseDuration } from "../../values/duration.ts";
import { oneOf } from "../../values/text.ts";

const EVENTS = ["exited", "running", "healthy", "stopped"] as const;

const options = {
  name: machineName,
  until: valueOr({
    long: "until",
    placeholder: "EVENT",
    description: "What to wait for: exited, running, healthy or stopped",
    fallback: "exited" as (typeof EVENTS)[number],
    hint: { kind: "choice", values: EVENTS },
    parse: oneOf(EVENTS),
  }),
  timeout: value({
    long: "timeout",
    placeholder: "TIME",
    description: "Give up after this time",
    parse: parseDuration,
  }),
};

export const wait = command({
  path: ["machine", "wait"],
  kind: "status",
  duration: "slow",
  summary: "Wait until something is over",
  options,
  arguments: processWords,
  text: `Waits until the workload of a machine has ended (or, with an ID, that process), and prints its exit
code: 128+N when signal N ended it. A workload that is restarted has not ended.

--until waits for something else, and prints nothing: running, healthy, or stopped. A single word
is the machine's name when there is such a machine, else an ID.

Exit code: 0; 124 after --timeout; 1 when it cannot happen any more.`,
  examples: [
    { command: "smolvm machine wait job" },
    { command: "smolvm machine wait --until healthy --timeout 30s web" },
  ],
  run: async (invocation) => {
    const { values } = invocation;
    const [{ machines, context }, { waitFor }] = await Promise.all([
      openMachines(),
      import("../../work/wait.ts"),
    ]);
    const target = processOf(invocation, (name) => isThere(machines, context, name));
    if (target.process !== undefined && values.until !== "exited")
      throw usageError(
        "cli.conflict",
        `--until ${values.until} cannot be used with an ID: processes only end`,
      );
    const exitCode = await waitFor(machines, context, target, values.until, values.timeout);
    if (exitCode !== undefined) await print(`${exitCode}\n`);
    return 0;
  },
});
