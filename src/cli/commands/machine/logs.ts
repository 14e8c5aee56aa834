import { isThere, openMachines } from "../../machines.ts";
import { machineName, processWords } from "../../options/machine-name.ts";
import { processOf } from "../../options/process-name.ts";
import { command } from "../../program/command.ts";
import { flag, value } from "../../program/types.ts";
import { usageError } from "../../usage.ts";
import { parseMoment } from "../../values/moment.ts";
import { wholeNumberUpTo } from "../../values/size.ts";

/** More lines than logs can hold. */
const MAX_LINES = 1_000_000_000;

const options = {
  name: machineName,
  follow: flag({ long: "follow", short: "f", description: "Go on with what is printed from now on" }),
  tail: value({
    long: "tail",
    placeholder: "N",
    description: "Begin with the last N lines",
    defaultText: "all",
    parse: (text) => (text === "all" ? undefined : wholeNumberUpTo(MAX_LINES)(text)),
  }),
  since: value({
    long: "since",
    placeholder: "TIME",
    description: "Begin here: 10m (ago), 2026-01-31T12:00:00Z",
    parse: (text) => parseMoment(text),
  }),
  until: value({
    long: "until",
    placeholder: "TIME",
    description: "End here",
    parse: (text) => parseMoment(text),
  }),
  timestamps: flag({ long: "timestamps", description: "Put the time in front of each line" }),
  console: flag({ long: "console", description: "The guest's console instead" }),
};

export const logs = command({
  path: ["machine", "logs"],
  kind: "status",
  summary: "Print what a machine's workload has printed",
  options,
  arguments: processWords,
  text: `Prints what the workload has written to stdout and stderr, on the same streams, also of a machine
that does not run any more. With an ID (exec -d prints it) it is the output of that process. Logs
are kept on the host, up to a limit; what is older goes first, and a note says so.

A program that runs this one with /dev/null as stdin and collects stdout and stderr by pipes gets no
more than the last 896 KiB, and a note about it. --tail all, --since, --until and -f give it all.

--console prints what the guest's kernel and the agent said instead. A single word is the
machine's name when there is such a machine, else an ID.`,
  examples: [
    { command: "smolvm machine logs web" },
    { command: "smolvm machine logs -f --tail 20 web" },
    { command: "smolvm machine logs --since 10m --timestamps web" },
    { command: "smolvm machine logs --console web" },
  ],
  run: async (invocation) => {
    const { machines, context } = await openMachines();
    const target = processOf(invocation, (name) => isThere(machines, context, name));
    if (target.process !== undefined && invocation.values.console)
      throw usageError("cli.conflict", "--console cannot be used with an ID: the console is the guest's");
    const [{ showLogs }, { isCollected }] = await Promise.all([
      import("../../work/logs.ts"),
      import("../../work/collected-output.ts"),
    ]);
    const { values, given } = invocation;
    const isAsked = values.follow || given.has("tail") || given.has("since") || given.has("until");
    await showLogs(machines, context, target, values, { collected: !isAsked && isCollected() });
    return 0;
  },
});
