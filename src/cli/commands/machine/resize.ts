import { openMachines, printMachines } from "../../machines.ts";
import { jsonObject } from "../../options/common.ts";
import { machineName, machineNameOf, machineWord } from "../../options/machine-name.ts";
import { changeOptions } from "../../options/machine-options.ts";
import { complain, print } from "../../output.ts";
import { command } from "../../program/command.ts";
import { usageError } from "../../usage.ts";

const { storage, overlay } = changeOptions;

const options = { name: machineName, storage, overlay, json: jsonObject };

export const resize = command({
  path: ["machine", "resize"],
  summary: "Grow the disks of a machine",
  options,
  arguments: machineWord,
  text: `Makes disks larger, never smaller; their filesystems grow with the next start. The machine must not
run. The same as machine update --storage and --overlay.

--json prints the machine as machine status --json does.`,
  examples: [
    { command: "smolvm machine resize web --storage 40" },
    { command: "smolvm machine resize --overlay 20" },
  ],
  run: async (invocation) => {
    const { storage: storageGib, overlay: overlayGib, json } = invocation.values;
    if (storageGib === undefined && overlayGib === undefined) {
      throw usageError("cli.missing_value", "machine resize needs --storage, --overlay or both");
    }
    const { machines, context } = await openMachines();
    const name = machineNameOf(invocation);
    // Before anything is said: there may be no such machine.
    machines.inspectMachine(context, name);
    if (!json) complain(`Resizing machine '${name}'...`);
    const changes = await machines.resizeMachine(context, name, { storageGib, overlayGib });
    if (json) {
      await printMachines(machines, [machines.inspectMachine(context, name)]);
      return 0;
    }
    if (changes.length === 0) {
      await print("No disk changes needed.\n");
      return 0;
    }
    const lines = changes.map(({ name, fromGib, toGib }) => `  ${name}: ${fromGib} GiB → ${toGib} GiB`);
    const sizes = changes.map(
      ({ name, toGib }) => `${name === "storage" ? "Storage" : "Overlay"} ${toGib} GiB`,
    );
    await print(
      [
        `Resized machine '${name}':`,
        ...lines,
        "Filesystem will expand on next boot.",
        `Machine '${name}' resized successfully: ${sizes.join(", ")}`,
        "",
      ].join("\n"),
    );
    return 0;
  },
});
