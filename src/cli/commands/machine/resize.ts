import { notWired } from "../../not-wired.ts";
import { machineName, machineWord } from "../../options/machine-name.ts";
import { changeOptions } from "../../options/machine-options.ts";
import { command } from "../../program/command.ts";
import { usageError } from "../../usage.ts";

const { storage, overlay } = changeOptions;

const options = { name: machineName, storage, overlay };

export const resize = command({
  path: ["machine", "resize"],
  summary: "Grow the disks of a machine",
  options,
  arguments: machineWord,
  text: `Makes disks larger, never smaller; their filesystems grow with the next start. The machine must not
run. The same as machine update --storage and --overlay.`,
  examples: [
    { command: "smolvm machine resize web --storage 40" },
    { command: "smolvm machine resize --overlay 20" },
  ],
  run: ({ values }) => {
    if (values.storage === undefined && values.overlay === undefined) {
      throw usageError("cli.missing_value", "machine resize needs --storage, --overlay or both");
    }
    return notWired("machine resize");
  },
});
