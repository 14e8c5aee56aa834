import { openMachines } from "../../machines.ts";
import { jsonObject } from "../../options/common.ts";
import { machineName, machineNameOf, machineWord } from "../../options/machine-name.ts";
import { print, printJson } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";

const options = {
  name: { ...machineName, description: "The machine to copy (default: $SMOLVM_MACHINE_NAME, else default)" },
  quiet: flag({ long: "quiet", short: "q", description: "Show no progress" }),
  json: jsonObject,
};

export const clone = command({
  path: ["machine", "clone"],
  duration: "med",
  summary: "Copy a machine under another name",
  options,
  arguments: { kind: "words", placeholder: "[NAME] NEW", min: 1, max: 2, hint: machineWord.hint },
  text: `Makes the machine NEW with the settings and copies of the disks of NAME, which must not run. Where
the host's filesystem can (btrfs, XFS), the copies take no room until they differ; elsewhere only
what is not empty is copied, and stderr says how far that is. --json prints the new machine as
machine status --json does.`,
  examples: [
    { command: "smolvm machine clone web web-2" },
    { command: "smolvm machine clone --name web web-2" },
  ],
  run: async ({ values, words }) => {
    const { machines, context } = await openMachines();
    const to = words.at(-1) as string;
    const from = machineNameOf({ values, words: words.slice(0, -1) });
    const [{ interruptible }, { reportCopy }] = await Promise.all([
      import("../../work/interruptible.ts"),
      import("../../progress/copy-report.ts"),
    ]);
    const report = reportCopy({ quiet: values.quiet || values.json, progress: "auto" });
    const { disks } = await interruptible((signal) =>
      machines.cloneMachine(context, from, to, {
        signal,
        onProgress: ({ disk, bytes, total }) => report.onCopy?.(bytes, total, `the ${disk} disk`),
      }),
    ).finally(() => report.end());
    if (values.json) {
      await printJson(machines.machineJson(machines.inspectMachine(context, to)));
      return 0;
    }
    const shared = disks.length > 0 && disks.every(({ reflink }) => reflink);
    await print(`Cloned machine '${from}' to '${to}'${shared ? " (its disks share their blocks)" : ""}\n`);
    return 0;
  },
});
