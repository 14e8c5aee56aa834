import { pullOptions } from "../../options/pull-options.ts";
import { print, printJson } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag, value } from "../../program/types.ts";
import { usageError } from "../../usage.ts";
import { parseText } from "../../values/text.ts";

const { quiet, progress, proxy, noProxy } = pullOptions;

const options = {
  file: value({
    long: "file",
    short: "f",
    placeholder: "FILE",
    description: "The pack, a .smolmachine file",
    hint: { kind: "file" },
    parse: parseText,
  }),
  ...{ quiet, progress, proxy, noProxy },
  json: flag({ long: "json", description: "Print a JSON object" }),
};

export const packPush = command({
  path: ["pack", "push"],
  duration: "slow",
  summary: "Put a pack into a registry",
  options,
  arguments: { kind: "words", placeholder: "NAME", min: 1, max: 1 },
  text: `Puts the pack FILE into a registry under NAME (app, team/app:1.0, ghcr.io/owner/app, default
registry registry.smolmachines.com, default tag latest), as an OCI artifact. Bytes that the
registry has already are not sent; a broken upload goes on where it broke. Packs for other
platforms under the same tag stay: a pull takes the one that fits.

Logins are those of docker login and podman login, or of smolvm's own configuration (smolvm config
registries edit, [machines]). The last digest that is printed is what a pull by digest takes. --json
prints the keys reference, digest, index_digest, layer_digest, layer_size and outcome (uploaded,
mounted or present).`,
  examples: [
    { command: "smolvm pack push -f my-app.smolmachine team/my-app:1.0" },
    { command: "smolvm pack push localhost:5000/my-app -f my-app.smolmachine" },
  ],
  run: async ({ values, words: [name = ""] }) => {
    const { file: path } = values;
    if (path === undefined) {
      throw usageError("cli.missing_value", "no pack was named", "smolvm pack push NAME -f FILE.smolmachine");
    }
    const [{ pushPack }, { namePack }, { interruptible }, { reportCopy }] = await Promise.all([
      import("../../../pack/registry/index.ts"),
      import("../../work/pack-registry.ts"),
      import("../../work/interruptible.ts"),
      import("../../progress/copy-report.ts"),
    ]);
    const report = reportCopy({ quiet: values.quiet || values.json, progress: values.progress });
    let familiar = name;
    const pushed = await interruptible(async (signal) => {
      const { reference, registry } = await namePack(name, values, signal);
      familiar = reference.familiar;
      const onProgress = (bytes: number, total: number) =>
        report.onCopy?.(bytes, total, "the pack to the registry");
      return await pushPack({ path, reference, registry, onProgress });
    }).finally(() => report.end());
    const { outcome, layerDigest, layerBytes, manifestDigest, indexDigest } = pushed;
    if (values.json) {
      await printJson({
        ...{ reference: familiar, digest: manifestDigest, index_digest: indexDigest },
        ...{ layer_digest: layerDigest, layer_size: layerBytes, outcome },
      });
      return 0;
    }
    const sent = outcome === "uploaded" ? "pushed" : "already exists, skipping";
    await print(
      `Layer ${layerDigest}: ${sent}\nPushed successfully: ${familiar}\nDigest: ${manifestDigest}\n`,
    );
    return 0;
  },
});
