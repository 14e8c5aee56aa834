import { verifyKeys } from "../../options/pack-options.ts";
import { pullOptions } from "../../options/pull-options.ts";
import { print, printJson } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag, type Values, value } from "../../program/types.ts";
import { parseText } from "../../values/text.ts";

const { quiet, progress } = pullOptions;

export const exportOptions = {
  oci: value({
    long: "oci",
    placeholder: "FILE",
    description: "The archive of the image",
    hint: { kind: "file" },
    parse: parseText,
  }),
  fromVm: value({
    long: "from-vm",
    placeholder: "NAME",
    description: "A stopped machine in place of a pack",
    hint: { kind: "machine" },
    parse: parseText,
  }),
  tag: value({
    long: "tag",
    short: "t",
    placeholder: "IMAGE",
    description: "What other tools call the image, e.g. app:1.0 (default: it has no name)",
    parse: parseText,
  }),
  verifyKeys,
  ...{ quiet, progress },
  json: flag({ long: "json", description: "Print a JSON object" }),
};

export type ExportValues = Values<typeof exportOptions>;

export const packExport = command({
  path: ["pack", "export"],
  duration: "slow",
  summary: "Make an ordinary image of a pack, or of a machine",
  options: exportOptions,
  arguments: { kind: "words", placeholder: "[PACK]", min: 0, max: 1, hint: { kind: "file" } },
  text: `Writes the image that is in PACK (default: the only .smolmachine of this directory) as an archive
that docker load, podman load and skopeo (docker-archive:, oci-archive:) read, and machine run
--image too; images save says more about it. The image is run as the pack is: with its command,
environment, user and working directory. What only a machine has (processors, network, init
commands) no image can say. The same pack gives the same bytes.

--from-vm takes a stopped machine, as machine commit does: the files of its image and what it has
changed, without the machine's settings. To have those too, pack it first: pack create --from-vm.

Prints the digest of the image's manifest in the archive; --json prints the keys id, reference,
digest, path and size_bytes.`,
  examples: [
    { command: "smolvm pack export --oci app.tar -t app:1.0 my-app.smolmachine" },
    { command: "smolvm pack export --oci web.tar -t web --from-vm web && docker load -i web.tar" },
  ],
  run: async ({ values, words: [path] }) => {
    const { exportShown } = await import("../../work/pack-export.ts");
    const { id, reference, digest, bytes } = await exportShown(path, values);
    if (values.json) {
      await printJson({ id, reference: reference ?? null, digest, path: values.oci, size_bytes: bytes });
    } else await print(`${digest}\n`);
    return 0;
  },
});
