import { SmolError } from "../../../errors.ts";
import { looksLikePath } from "../../../image/source-kind.ts";
import { quote } from "../../../values/index.ts";
import { imageNames } from "../../options/image-options.ts";
import { platformOption, pullOptions } from "../../options/pull-options.ts";
import { pullSettings } from "../../options/pull-settings.ts";
import { print, printJson, warn } from "../../output.ts";
import { command } from "../../program/command.ts";
import { type CommandSpec, flag, type Invocation } from "../../program/types.ts";

const options = {
  platform: platformOption,
  ...pullOptions,
  json: flag({ long: "json", description: "Print a JSON object" }),
};

type PullInvocation = Invocation<typeof options>;

export const imagesPull = command({
  path: ["images", "pull"],
  duration: "slow",
  summary: "Get images from registries, or look for newer ones",
  options,
  arguments: imageNames,
  text: `Asks the registry for each IMAGE (alpine, alpine:3.20, ghcr.io/owner/name@sha256:..., default
registry docker.io) and downloads what is not here yet: layers that other images have are not
downloaded again. machine run does the same by itself for an image that is not here; this is for
getting one beforehand, or a newer one. Everything is checked against its digest.

Prints the id of each image on stdout and progress on stderr. --progress tty redraws lines, plain
prints a few, json prints one object a line (docs/progress.md), none nothing; auto is tty on a
terminal, plain elsewhere, and none with --json. An interrupted download goes on where it stopped
with the layers that were complete.

--json prints {"images":[...]} with the keys reference, digest, id, size_bytes and changed.

Logins are those of docker login and podman login, or of smolvm's own configuration; mirrors,
insecure registries and certificates too (smolvm config registries edit).`,
  examples: [
    { command: "smolvm images pull alpine:3.20" },
    { command: "smolvm images pull -q ghcr.io/owner/app:1 registry.example.com:5000/tools" },
    { command: "smolvm images pull --oci-platform linux/arm64 debian:12", comment: "not for this host" },
    { command: "smolvm images pull --proxy http://proxy.example:3128 alpine" },
  ],
  run: pullImages,
});

/** docker users type `pull`. */
export const pull: CommandSpec<typeof options> = {
  ...imagesPull,
  path: ["pull"],
  duration: "slow",
  summary: "The same as images pull",
};

/** `images pull`: prints the id of each image when it is there. The first failure ends it. */
async function pullImages({ values, words, given }: PullInvocation): Promise<number> {
  const [
    { loadSettings, resolvePaths },
    { pullImage },
    { Interrupted, Interrupts, settled },
    { reportPull },
  ] = await Promise.all([
    import("../../../config/index.ts"),
    import("../../../image/index.ts"),
    import("../../terminal/interrupt.ts"),
    import("../../progress/pull-report.ts"),
  ]);
  for (const name of words) rejectPath(name);
  const options = pullSettings(values);
  // With --json somebody reads stderr for a JSON error: text is not mixed with it unless asked for.
  const progress = values.json && !given.has("progress") ? "none" : values.progress;
  const report = reportPull({ quiet: values.quiet, progress, upToDate: true });
  const interrupts = new Interrupts();
  const pulling = pullAll();
  try {
    return await Promise.race([pulling, interrupts.expired]);
  } catch (error) {
    if (error instanceof Interrupted) return error.exitCode;
    throw error;
  } finally {
    await report.end();
    await settled(pulling);
  }

  async function pullAll(): Promise<number> {
    const paths = resolvePaths();
    const settings = await loadSettings(paths);
    for (const note of settings.notes) warn(note);
    const results: Record<string, unknown>[] = [];
    for (const name of words) {
      const pulled = await pullImage(name, {
        ...options,
        settings,
        cacheDir: paths.cache,
        signal: interrupts.signal,
        platform: values.platform,
        onPull: report.onPull,
      });
      const { id, digest, reference, sizeBytes, changed } = pulled;
      results.push({ reference, digest, id, size_bytes: sizeBytes, changed });
      await report.settle();
      if (!values.json) await print(`${id}\n`);
    }
    if (values.json) await printJson({ images: results });
    return 0;
  }
}

/** Before anything is pulled: `machine run --image` takes both, so it is easily mixed up. */
function rejectPath(name: string): void {
  if (name === "" || !(name === "-" || looksLikePath(name))) return;
  const what = name === "-" ? "stdin" : "a path";
  throw new SmolError(
    "registry.bad_reference",
    `${quote(name)} is ${what}, and only names of images in registries can be pulled`,
    { hint: "`smolvm machine run --image` takes paths, and runs what is there without a pull" },
  );
}
