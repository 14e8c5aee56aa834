import { print, printJson } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";

const options = {
  json: flag({ long: "json", description: "Print a JSON array" }),
  quiet: flag({ long: "quiet", short: "q", description: "Print ids only, one a line" }),
  names: flag({ long: "names", description: "Print names only, one a line; the id of an image without one" }),
  full: flag({ long: "no-trunc", description: "Cut nothing off" }),
  verbose: flag({
    long: "verbose",
    short: "v",
    description: "Show digests, layers and configuration of each",
  }),
};

export const imagesList = command({
  path: ["images", "ls"],
  aliases: ["list"],
  kind: "status",
  summary: "List the images that are kept on this host",
  options,
  text: `Lists the images of registries and archives that are kept on this host, the last used one first: one
line for each name. Layers are kept once, however many images have them: SIZE counts them in each.

--json prints an array of objects with the keys id, references, digests, platform, created_at and
last_used_at (seconds since 1970), size_bytes, unique_bytes (what removing only this image frees),
layer_count, in_use, and machines (names of those that are made of it, whether they run or not).`,
  examples: [
    { command: "smolvm images ls" },
    { command: "smolvm images ls --no-trunc -v" },
    { command: "smolvm images ls --json | jq -r '.[].references[]'" },
  ],
  run: async ({ values }) => {
    const [{ resolvePaths }, { listImages }] = await Promise.all([
      import("../../../config/paths.ts"),
      import("../../../image/index.ts"),
    ]);
    const images = await listImages(resolvePaths().cache);
    const { json, quiet, names, full, verbose } = values;
    if (json) {
      const { summaryJson } = await import("../../show/images-json.ts");
      await printJson(images.map(summaryJson));
      return 0;
    }
    const { formatImages, namesOf, shortId } = await import("../../show/images.ts");
    if (quiet || names) {
      const lines = images.flatMap((image) =>
        names ? namesOf(image) : [full ? image.id : shortId(image.id)],
      );
      await print(lines.map((line) => `${line}\n`).join(""));
    } else {
      await print(formatImages(images, { full, verbose, now: Date.now() / 1000 }));
    }
    return 0;
  },
});
