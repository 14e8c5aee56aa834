import { openMachines } from "../../machines.ts";
import { machineName, machineNameOf, machineWord } from "../../options/machine-name.ts";
import { command } from "../../program/command.ts";
import { flag, value, valueOr } from "../../program/types.ts";
import { parseMoment } from "../../values/moment.ts";
import { wholeNumberUpTo } from "../../values/size.ts";

/** More lines than the log can hold. */
const MAX_LINES = 1_000_000_000;

const options = {
  name: machineName,
  limit: valueOr({
    long: "limit",
    placeholder: "N",
    description: "The last N events",
    fallback: 200,
    parse: wholeNumberUpTo(MAX_LINES),
  }),
  follow: flag({ long: "follow", short: "f", description: "Go on with what happens from now on" }),
  since: value({
    long: "since",
    placeholder: "TIME",
    description: "Begin here: 10m (ago), 2026-01-31T12:00:00Z",
    parse: (text) => parseMoment(text),
  }),
  denied: flag({ long: "denied", description: "Only what was denied" }),
  json: flag({ long: "json", description: "Print a JSON array; with -f an object a line" }),
};

export const egressEvents = command({
  path: ["machine", "egress-events"],
  kind: "status",
  summary: "Show what a machine wanted from the network, and what was decided",
  options,
  arguments: machineWord,
  text: `Prints one line for each name that the machine asked for, for each connection that it began, and for
the end of those that were let through: when, what, where to, whether it was allowed, and by which
rule. The log is kept on the host, up to a limit, also after the machine has stopped.

--json prints objects with the keys timestamp, operation (lookup, connect, udp, ping, close), dest,
decision (allow, deny) and rule; and where they apply name, type, rcode, addresses, sent, received,
duration_ms, end and error.`,
  examples: [
    { command: "smolvm machine egress-events web" },
    { command: "smolvm machine egress-events --denied -f web" },
    { command: "smolvm machine egress-events --json web | jq -r '.[].dest' | sort -u" },
  ],
  run: async (invocation) => {
    const { machines, context } = await openMachines();
    const { showEgress } = await import("../../work/egress.ts");
    await showEgress(machines, context, machineNameOf(invocation), invocation.values);
    return 0;
  },
});
