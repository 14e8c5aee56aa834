import type { ImageSummary } from "../../../image/index.ts";
import { givenName, machineName, machineWord } from "../../options/machine-name.ts";
import { print, printJson } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";

const options = {
  name: { ...machineName, description: "Only the image of this machine (default: $SMOLVM_MACHINE_NAME)" },
  json: flag({ long: "json", description: "Print a JSON object" }),
};

export const machineImages = command({
  path: ["machine", "images"],
  kind: "status",
  summary: "Show the images of machines and the room they take",
  options,
  arguments: machineWord,
  text: `Images are kept on the host, and all machines share them: this shows how much room they take of
what the cache may take, and each of them. --name shows only the image of that machine (none when
that is the built-in one, or before its first start). images ls shows more.

--json prints an object {"storage":{"total_bytes","used_bytes","layer_count","image_count"},
"images":[{"reference","id","digest","size","created","architecture","os","layer_count","layers",
"entrypoint","cmd","env","workdir","user"}]}.`,
  examples: [{ command: "smolvm machine images" }, { command: "smolvm machine images --json" }],
  run: async ({ values, words }) => {
    const name = givenName({ values, words });
    const [{ loadSettings, resolvePaths }, { listImages, usedBytes }, show] = await Promise.all([
      import("../../../config/index.ts"),
      import("../../../image/index.ts"),
      import("../../show/storage.ts"),
    ]);
    const paths = resolvePaths();
    const { cache } = await loadSettings(paths);
    const all = await listImages(paths.cache);
    const shown = name === undefined ? all : await imagesOf(name, all);
    const storage = show.storageOf(all, await usedBytes(paths.cache), cache.maxBytes);
    if (values.json) await printJson(show.storageJson(storage, shown));
    else await print(show.formatStorage(storage, shown));
    return 0;
  },
});

/** The image of a machine: none when that is the built-in one. */
async function imagesOf(name: string, all: readonly ImageSummary[]): Promise<ImageSummary[]> {
  const [{ inspectMachine }, { makeContext }] = await Promise.all([
    import("../../../machine/index.ts"),
    import("../../context.ts"),
  ]);
  const { record } = inspectMachine(makeContext(), name);
  return all.filter(({ id }) => id === record?.imageId);
}
