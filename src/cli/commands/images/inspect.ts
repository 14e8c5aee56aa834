import { imageNames } from "../../options/image-options.ts";
import { platformOption } from "../../options/pull-options.ts";
import { printJson } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";

const options = {
  platform: platformOption,
  json: flag({ long: "json", description: "No effect: the output is always a JSON array" }),
};

export const imagesInspect = command({
  path: ["images", "inspect"],
  kind: "status",
  summary: "Print everything about images that are kept on this host",
  options,
  arguments: imageNames,
  text: `Prints a JSON array with an object for each IMAGE: the keys of images ls --json, layers (diff_id,
size_bytes; lowest first) and config (entrypoint, cmd, env, workdir, user, labels, volumes,
stop_signal).
IMAGE is a name, an id or its first digits, or the digest of a manifest. Asks no registry.`,
  examples: [{ command: "smolvm images inspect alpine:3.20 | jq '.[0].config.env'" }],
  /** Prints nothing unless all of them are there. */
  run: async ({ values, words }) => {
    const [{ loadSettings, resolvePaths }, { inspectImage }, { detailedJson }] = await Promise.all([
      import("../../../config/index.ts"),
      import("../../../image/index.ts"),
      import("../../show/images-json.ts"),
    ]);
    const paths = resolvePaths();
    const { defaultRegistry } = (await loadSettings(paths)).images;
    const where = { platform: values.platform, registry: defaultRegistry };
    const images = await Promise.all(words.map((name) => inspectImage(paths.cache, name, where)));
    await printJson(images.map(detailedJson));
    return 0;
  },
});
