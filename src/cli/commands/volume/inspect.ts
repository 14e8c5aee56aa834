import { openVolumes, volumeWords } from "../../options/volume-options.ts";
import { printJson } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";

export const volumeInspect = command({
  path: ["volume", "inspect"],
  kind: "status",
  summary: "Show where volumes are and who has them, as JSON",
  options: { json: flag({ long: "json", description: "No effect: the output is always a JSON array" }) },
  arguments: volumeWords,
  text: `Prints an array of objects with the keys name, path, created_at (seconds since 1970) and machines:
those whose description names the volume.`,
  examples: [{ command: "smolvm volume inspect data" }],
  run: async ({ words }) => {
    const { volumes, context } = await openVolumes();
    const { volumeJson } = await import("../../show/volumes.ts");
    await printJson(words.map((name) => volumeJson(volumes.inspectVolume(context, name))));
    return 0;
  },
});
