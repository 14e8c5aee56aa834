import { SmolError } from "../../../errors.ts";
import type { RemovedImages } from "../../../image/index.ts";
import { imageNames } from "../../options/image-options.ts";
import { platformOption } from "../../options/pull-options.ts";
import { print, printJson } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";

const options = {
  platform: platformOption,
  force: flag({
    long: "force",
    short: "f",
    description: "Remove an image that is named by its id with all of its names",
  }),
  json: flag({ long: "json", description: "Print a JSON object" }),
};

export const imagesRemove = command({
  path: ["images", "rm"],
  aliases: ["remove"],
  duration: "med",
  summary: "Remove images from this host",
  options,
  arguments: imageNames,
  text: `Takes the name off an image, and removes the image with its last name. IMAGE may also be an id, or
its first digits (6 or more): then all of the image goes; --force is needed when it has several
names. --oci-platform tells images of one name apart. Layers that other images have stay. An image
of a machine stays too, also when the machine does not run, and whatever is forced: exit code 1.

--json prints an object with the keys images, untagged, layer_count, freed_bytes, in_use, machines
(by the ids in in_use) and kept (layers stay, because something is being downloaded: prune later).`,
  examples: [{ command: "smolvm images rm alpine:3.20" }, { command: "smolvm images rm -f 05455a08881e" }],
  /** Says what was removed, also when not everything could be. */
  run: async ({ values, words }) => {
    const [{ loadSettings, resolvePaths }, { removeImages }, { formatInUse }] = await Promise.all([
      import("../../../config/index.ts"),
      import("../../../image/index.ts"),
      import("../../show/removed.ts"),
    ]);
    const paths = resolvePaths();
    const registry = (await loadSettings(paths)).images.defaultRegistry;
    const { force, platform } = values;
    const removed = await removeImages(paths.cache, words, { force, platform, registry });
    await printRemoved(removed, values.json);
    if (removed.inUse.length === 0) return 0;
    throw new SmolError("image.in_use", formatInUse(removed), {
      hint: "`smolvm machine ls -v` shows the machines: an image can go when none is made of it",
    });
  },
});

async function printRemoved(removed: RemovedImages, json: boolean): Promise<void> {
  if (json) {
    const { removedJson } = await import("../../show/images-json.ts");
    await printJson(removedJson(removed, false));
  } else {
    const { formatRemoved } = await import("../../show/removed.ts");
    await print(formatRemoved(removed));
  }
}
