import { loadSettings, resolvePaths } from "../../../config/index.ts";
import { SmolError } from "../../../errors.ts";
import { pullImage } from "../../../image/index.ts";
import { looksLikePath } from "../../../image/source-kind.ts";
import { Interrupted, Interrupts, settled } from "../../../machine/interrupt.ts";
import { quote } from "../../../values/index.ts";
import { print, printJson, warn } from "../../output.ts";
import type { imagesPullOptions } from "../../table/images.ts";
import type { Invocation } from "../../table/types.ts";
import { reportPull } from "../pull-report.ts";
import { pullSettings } from "../pull-settings.ts";

type PullInvocation = Invocation<typeof imagesPullOptions>;

/** `images pull`: prints the id of each image when it is there. The first failure ends it. */
export async function run({ values, words, given }: PullInvocation): Promise<number> {
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
