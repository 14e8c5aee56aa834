import { jsonArray } from "../../options/common.ts";
import { filterOptions } from "../../options/machine-filter.ts";
import { oneLine, print, printJson } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";

const options = {
  ...filterOptions,
  quiet: flag({ long: "quiet", short: "q", description: "Print names only, one a line" }),
  json: jsonArray,
  verbose: flag({
    long: "verbose",
    short: "v",
    description: "Show process, image, command and environment of each machine",
  }),
};

export const ls = command({
  path: ["machine", "ls"],
  aliases: ["list"],
  kind: "status",
  summary: "List the machines",
  options,
  text: `Lists the machines by name, whether they run or not. (eph) marks one that is removed when its
command ends. Several filters: one of the states, and all of the labels. Looking changes nothing
and starts nothing.

--json prints an array of objects, as docs/schema/machine.schema.json says. Among their keys are
name, state, state_reason, pid, image and image_id (null for the built-in one), cpus, memory_mib,
storage_gb, overlay_gb, labels, health, workload, restart_count and created_at. Times are seconds
since 1970.`,
  examples: [
    { command: "smolvm machine ls" },
    { command: "smolvm machine ls --filter state=running --label tier=front" },
    { command: "smolvm machine ls --json | jq -r '.[].name'" },
  ],
  run: async ({ values }) => {
    const [{ listMachines, machineJson, matchesFilters }, { makeContext }] = await Promise.all([
      import("../../../machine/index.ts"),
      import("../../context.ts"),
    ]);
    const filters = [...values.filters, ...values.labels];
    const machines = listMachines(makeContext()).filter((machine) => matchesFilters(machine, filters));
    if (values.quiet && !values.json) {
      await print(machines.map(({ name }) => `${oneLine(name)}\n`).join(""));
    } else if (values.json) {
      await printJson(machines.map(machineJson));
    } else {
      const { formatMachines } = await import("../../show/machines.ts");
      await print(formatMachines(machines, values.verbose));
    }
    return 0;
  },
});
