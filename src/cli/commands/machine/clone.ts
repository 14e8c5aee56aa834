import { notWired } from "../../not-wired.ts";
import { machineName, machineWord } from "../../options/machine-name.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";

const options = {
  name: { ...machineName, description: "The machine to copy (default: $SMOLVM_MACHINE_NAME, else default)" },
  quiet: flag({ long: "quiet", short: "q", description: "Show no progress" }),
};

export const clone = command({
  path: ["machine", "clone"],
  summary: "Copy a machine under another name",
  options,
  arguments: { kind: "words", placeholder: "[NAME] NEW", min: 1, max: 2, hint: machineWord.hint },
  text: `Makes the machine NEW with the settings and copies of the disks of NAME, which must not run. Where
the host's filesystem can (btrfs, XFS), the copies take no room until they differ; elsewhere only
what is not empty is copied, and progress is shown.`,
  examples: [
    { command: "smolvm machine clone web web-2" },
    { command: "smolvm machine clone --name web web-2" },
  ],
  run: () => notWired("machine clone"),
});
