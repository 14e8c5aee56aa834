import { print, printJson } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";

const options = {
  json: flag({ long: "json", description: "Print a JSON array" }),
  verbose: flag({
    long: "verbose",
    short: "v",
    description: "Show process, image, command and environment of each machine",
  }),
};

export const ls = command({
  path: ["machine", "ls"],
  aliases: ["list"],
  summary: "List the machines",
  options,
  text: `Lists the machines that run now, by name. (eph) marks one that is removed when its command ends.
Looking changes nothing and starts nothing.

--json prints an array of objects with the keys name, state, cpus, memory_mib, pid, created_at
(seconds since 1970), storage_gb, overlay_gb, image and image_id (null for the built-in one),
entrypoint, cmd, workdir, network, ephemeral and engine.`,
  examples: [{ command: "smolvm machine ls" }, { command: "smolvm machine ls --json | jq -r '.[].name'" }],
  run: async ({ values }) => {
    const [{ listMachines, machineJson }, { makeContext }] = await Promise.all([
      import("../../../machine/index.ts"),
      import("../../context.ts"),
    ]);
    const machines = listMachines(makeContext());
    if (values.json) {
      await printJson(machines.map(machineJson));
    } else {
      const { formatMachines } = await import("../../show/machines.ts");
      await print(formatMachines(machines, values.verbose));
    }
    return 0;
  },
});
