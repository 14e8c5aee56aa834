import { openVolumes } from "../../options/volume-options.ts";
import { print } from "../../output.ts";
import { command } from "../../program/command.ts";

export const volumePrune = command({
  path: ["volume", "prune"],
  summary: "Remove volumes that no machine names",
  options: {},
  arguments: { kind: "none" },
  text: `Removes all volumes of smolvm's own that no machine names, with their files, and prints their names.
It does not ask: \`smolvm volume ls\` shows before which ones have no machine.`,
  examples: [{ command: "smolvm volume prune" }],
  run: async () => {
    const { volumes, context } = await openVolumes();
    const names = await volumes.pruneVolumes(context);
    await print(names.map((name) => `${name}\n`).join(""));
    return 0;
  },
});
