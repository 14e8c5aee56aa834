import { loadSettings, resolvePaths } from "../../../config/index.ts";
import { inspectImage } from "../../../image/index.ts";
import { printJson } from "../../output.ts";
import type { imagesInspectOptions } from "../../table/images.ts";
import type { Invocation } from "../../table/types.ts";
import { detailedJson } from "./json.ts";

/** `images inspect`: prints nothing unless all of them are there. */
export async function run({ values, words }: Invocation<typeof imagesInspectOptions>): Promise<number> {
  const paths = resolvePaths();
  const options = { platform: values.platform, registry: (await loadSettings(paths)).images.defaultRegistry };
  const images = await Promise.all(words.map((name) => inspectImage(paths.cache, name, options)));
  await printJson(images.map(detailedJson));
  return 0;
}
