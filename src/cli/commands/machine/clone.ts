import { openMachines } from "../../machines.ts";
import { machineName, machineNameOf, machineWord } from "../../options/machine-name.ts";
import { print } from "../../output.ts";
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
  run: async ({ values, words }) => {
    const { machines, context } = await openMachines();
    const to = words.at(-1) as string;
    const from = machineNameOf({ values, words: words.slice(0, -1) });
    const [{ Interrupts, Interrupted }, { copyProgress }] = await Promise.all([
      import("../../terminal/index.ts"),
      import("../../progress/copy.ts"),
    ]);
    const interrupts = new Interrupts();
    const progress = copyProgress(values.quiet);
    try {
      const cloning = machines.cloneMachine(context, from, to, {
        signal: interrupts.signal,
        onProgress: progress.show,
      });
      const { disks } = await Promise.race([cloning, interrupts.expired]);
      progress.end();
      const shared = disks.length > 0 && disks.every(({ reflink }) => reflink);
      await print(`Cloned machine '${from}' to '${to}'${shared ? " (its disks share their blocks)" : ""}\n`);
      return 0;
    } catch (error) {
      if (error instanceof Interrupted) return error.exitCode;
      throw error;
    } finally {
      progress.end();
      interrupts.release();
    }
  },
});
