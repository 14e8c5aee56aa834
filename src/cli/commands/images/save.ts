import { platformOption } from "../../options/pull-options.ts";
import { print, printJson } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag, value } from "../../program/types.ts";
import { usageError } from "../../usage.ts";
import { parseText } from "../../values/text.ts";

const options = {
  output: value({
    long: "output",
    short: "o",
    placeholder: "FILE",
    description: "The archive",
    hint: { kind: "file" },
    parse: parseText,
  }),
  platform: platformOption,
  json: flag({ long: "json", description: "Print a JSON object" }),
};

export const imagesSave = command({
  path: ["images", "save"],
  summary: "Write an image as an archive for other tools",
  options,
  arguments: { kind: "words", placeholder: "IMAGE", min: 1, max: 1, hint: { kind: "image" } },
  text: `Writes IMAGE, which is kept on this host, as an archive that docker load, podman load and skopeo
(docker-archive:, oci-archive:) read, and machine run --image too: an OCI layout and what docker
save makes, in one. All of its files are in one layer, not compressed. With machine commit, it is
the way of a machine to docker and podman. Prints the digest of the image's manifest in the
archive; --json prints the keys id, reference, digest, path and size_bytes.`,
  examples: [
    { command: "smolvm images save -o alpine.tar alpine:3.20" },
    { command: "smolvm machine commit web web:2 && smolvm images save -o web.tar web:2" },
  ],
  run: async ({ values, words: [name = ""] }) => {
    const { output: path, platform } = values;
    if (path === undefined)
      throw usageError("cli.missing_value", "no archive was named", "smolvm images save -o FILE IMAGE");
    const [{ loadSettings, resolvePaths }, { saveImage }, { interruptible }] = await Promise.all([
      import("../../../config/index.ts"),
      import("../../../image/save.ts"),
      import("../../work/interruptible.ts"),
    ]);
    const paths = resolvePaths();
    const registry = (await loadSettings(paths)).images.defaultRegistry;
    const { id, reference, digest, bytes } = await interruptible((signal) =>
      saveImage({ cacheDir: paths.cache, name, path, platform, registry, signal }),
    );
    if (values.json) await printJson({ id, reference: reference ?? null, digest, path, size_bytes: bytes });
    else await print(`${digest}\n`);
    return 0;
  },
});
