import { loadSettings, resolvePaths } from "../../../config/index.ts";
import { SmolError } from "../../../errors.ts";
import { removeImages } from "../../../image/index.ts";
import { print, printJson } from "../../output.ts";
import type { imagesRemoveOptions } from "../../table/images.ts";
import type { Invocation } from "../../table/types.ts";
import { removedJson } from "./json.ts";
import { formatInUse, formatRemoved } from "./removed.ts";

/**
 * `images rm`: says what was removed, also when not everything could be.
 *
 * @throws SmolError `image.in_use`
 */
export async function run({ values, words }: Invocation<typeof imagesRemoveOptions>): Promise<number> {
  const paths = resolvePaths();
  const registry = (await loadSettings(paths)).images.defaultRegistry;
  const { force, platform } = values;
  const removed = await removeImages(paths.cache, words, { force, platform, registry });
  if (values.json) await printJson(removedJson(removed, false));
  else await print(formatRemoved(removed));
  if (removed.inUse.length === 0) return 0;
  throw new SmolError("image.in_use", formatInUse(removed), {
    hint: "`smolvm machine ls -v` shows the machines: an image can go when none uses it",
  });
}
