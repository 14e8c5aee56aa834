import { loadSettings, resolvePaths } from "../../config/index.ts";
import { SmolError } from "../../errors.ts";
import { hostPlatform, platformName } from "../../image/platform.ts";
import type { Platform, PullPolicy } from "../../image/types.ts";
import type { PackSource } from "../../pack/index.ts";
import { nameImage, openRemotePack, packBehindImage } from "../../pack/registry/index.ts";
import type { RegistryOptions } from "../../registry/index.ts";
import { pullSettings } from "../options/pull-settings.ts";
import { warn } from "../output.ts";
import { interruptible } from "./interruptible.ts";

interface ImageValues {
  readonly platform: Platform | undefined;
  readonly pull: PullPolicy;
  readonly proxy: string | undefined;
  readonly noProxy: string | undefined;
  readonly maxImageSize: number | undefined;
}

/**
 * The pack that `--image` names in a registry: what it says about itself, its bytes only when they are needed. The name
 * means what it means for images, also where it names no registry.
 *
 * @throws SmolError as `openRemotePack`; `image.limit` for more than `--max-image-size`; Interrupted
 */
export async function packOfRegistry(name: string, values: ImageValues): Promise<PackSource> {
  const { maxImageBytes, proxy, noProxy } = pullSettings(values);
  const onRetry: RegistryOptions["onRetry"] = ({ what, reason }) => warn(`${what}: ${reason}; trying again`);
  const paths = resolvePaths();
  const settings = await loadSettings(paths);
  const platform = platformName(values.platform ?? hostPlatform());
  const pack = await interruptible(async (signal) => {
    const named = nameImage(name, settings, { proxy: { url: proxy, noProxy }, onRetry, signal });
    return await openRemotePack({ ...named, platform }, paths.cache, { policy: values.pull });
  });
  look(name, pack, maxImageBytes);
  return pack;
}

/**
 * Looks at what somebody else has put behind a name; says what nobody expects in the place of an image: a network.
 *
 * @throws SmolError `image.limit`
 */
function look(name: string, { manifest }: PackSource, maxBytes = Number.POSITIVE_INFINITY): void {
  const bytes = manifest.layers.reduce((sum, { data_bytes }) => sum + data_bytes, 0);
  if (bytes > maxBytes) {
    const text = `${name}: the pack's files have ${bytes} bytes; the limit is ${maxBytes}`;
    const hint = "machine run --max-image-size, or SMOLVM_MAX_IMAGE_BYTES, sets another limit";
    throw new SmolError("image.limit", text, { hint });
  }
  if (manifest.network !== null)
    warn(`${name} is a pack, with a network policy of its own; --no-net takes that away`);
}

/**
 * The same for a name that may be anything that `--image` takes, and for a machine that is started later.
 *
 * @returns as `packBehindImage`
 * @throws Interrupted; SmolError `config.*`; `image.limit` for more than SMOLVM_MAX_IMAGE_BYTES
 */
export async function packBehind(
  name: string,
  platform: Platform = hostPlatform(),
): Promise<PackSource | undefined> {
  const none = { proxy: undefined, noProxy: undefined, maxImageSize: undefined };
  const { maxImageBytes } = pullSettings(none);
  const paths = resolvePaths();
  const settings = await loadSettings(paths);
  const pack = await interruptible((signal) =>
    packBehindImage(name, { platform, settings, cacheDir: paths.cache, signal }),
  );
  if (pack !== undefined) look(name, pack, maxImageBytes);
  return pack;
}
