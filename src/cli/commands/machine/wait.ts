import { machineName, processWords } from "../../options/machine-name.ts";
import { command } from "../../program/command.ts";
import { value, valueOr } from "../../program/types.ts";
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
    const { waitFor } = await import("../../wait-for.ts");
    return await waitFor(invocation, values);
  },
});
