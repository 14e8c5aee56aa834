import { platformOption, pullOptions } from "../../options/pull-options.ts";
import { print, printJson } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag, value } from "../../program/types.ts";
import { parseText } from "../../values/text.ts";

const { quiet, progress, proxy, noProxy } = pullOptions;

const options = {
  output: value({
    long: "output",
    short: "o",
    placeholder: "PATH",
    description: "Where the file is to be (default: NAME.smolmachine here)",
    hint: { kind: "file" },
    parse: parseText,
  }),
  platform: { ...platformOption, description: "Which one of a pack for several platforms to take" },
  ...{ quiet, progress, proxy, noProxy },
  json: flag({ long: "json", description: "Print a JSON object" }),
};

export const packPull = command({
  path: ["pack", "pull"],
  duration: "slow",
  summary: "Get a pack from a registry",
  options,
  arguments: { kind: "words", placeholder: "NAME", min: 1, max: 1 },
  text: `Downloads the pack NAME (app, team/app:1.0, ghcr.io/owner/app@sha256:..., default registry
registry.smolmachines.com) for this host's architecture. The file appears when all of it is there
and is what its digest says; it replaces one of its name. A broken download goes on where it broke.

Prints the path of the file. --json prints the keys reference, digest, path, layer_digest and
layer_size.`,
  examples: [
    { command: "smolvm pack pull team/my-app:1.0" },
    { command: "smolvm pack pull localhost:5000/my-app -o app.smolmachine" },
  ],
  run: async ({ values, words: [name = ""] }) => {
    const [{ pullPack }, { namePack }, { interruptible }, { reportCopy }, platforms] = await Promise.all([
      import("../../../pack/registry/index.ts"),
      import("../../work/pack-registry.ts"),
      import("../../work/interruptible.ts"),
      import("../../progress/copy-report.ts"),
      import("../../../image/platform.ts"),
    ]);
    const platform = platforms.platformName(values.platform ?? platforms.hostPlatform());
    const report = reportCopy({ quiet: values.quiet || values.json, progress: values.progress });
    const { path, familiar, pulled } = await interruptible(async (signal) => {
      const { reference, registry } = await namePack(name, values, signal);
      const { repository, familiar } = reference;
      // A reference has no `..`, and no slash in its last part.
      const path = values.output ?? `${repository.slice(repository.lastIndexOf("/") + 1)}.smolmachine`;
      const onProgress = (bytes: number, total: number) =>
        report.onCopy?.(bytes, total, "the pack from the registry");
      return { path, familiar, pulled: await pullPack({ reference, platform, registry, path, onProgress }) };
    }).finally(() => report.end());
    const { digest, layerDigest, layerBytes } = pulled;
    if (values.json) {
      await printJson({
        reference: familiar,
        digest,
        path,
        layer_digest: layerDigest,
        layer_size: layerBytes,
      });
    } else await print(`${path}\n`);
    return 0;
  },
});
