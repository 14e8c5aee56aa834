import { openVolumes, volumeWords } from "../../options/volume-options.ts";
import { print } from "../../output.ts";
import { command } from "../../program/command.ts";

export const volumeCreate = command({
  path: ["volume", "create"],
  summary: "Make volumes of smolvm's own",
  options: {},
  arguments: volumeWords,
  text: `Makes empty volumes, and prints their names; one that is there stays as it is. A volume is a
directory of this host that machines get by its name, and that outlives them. -v NAME:GUEST makes
one that is missing, so this command is seldom needed.`,
  examples: [
    { command: "smolvm volume create data" },
    { command: "smolvm machine run -d -n db -v data:/var/lib/db --image postgres:16" },
  ],
  run: async ({ words }) => {
    const { volumes, context } = await openVolumes();
    for (const name of words) volumes.createVolume(context, name);
    await print(words.map((name) => `${name}\n`).join(""));
    return 0;
  },
});
