import { openVolumes, volumeWords } from "../../options/volume-options.ts";
import { print } from "../../output.ts";
import { command } from "../../program/command.ts";

export const volumeRemove = command({
  path: ["volume", "rm"],
  aliases: ["remove"],
  summary: "Remove volumes with everything in them",
  options: {},
  arguments: volumeWords,
  text: `Removes volumes of smolvm's own with their files, and prints their names. One that a machine names
stays, whether that runs or not: exit code 1.`,
  examples: [{ command: "smolvm volume rm data" }],
  run: async ({ words }) => {
    const { volumes, context } = await openVolumes();
    for (const name of new Set(words)) {
      await volumes.removeVolume(context, name);
      await print(`${name}\n`);
    }
    return 0;
  },
});
