import { loadSettings, resolvePaths } from "../../config/index.ts";
import { SmolError } from "../../errors.ts";
import { hostPlatform, platformName } from "../../image/platform.ts";
import { findKnownRef } from "../../image/refs/index.ts";
import { isImageId, isLocalImage } from "../../image/source-kind.ts";
import type { Platform, PullPolicy } from "../../image/types.ts";
import type { PackSource } from "../../pack/index.ts";
import { openRemotePack, type Patience } from "../../pack/registry/index.ts";
import { openCredentials } from "../../registry/credentials/index.ts";
import { parseReference, type Reference, type RegistryOptions } from "../../registry/index.ts";
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
  const { reference, registry } = await named(name);
  const onRetry: RegistryOptions["onRetry"] = ({ what, reason }) => warn(`${what}: ${reason}; trying again`);
  const request = { ...registry, proxy: { url: proxy, noProxy }, onRetry };
  const pack = await open(reference, values.platform, request, { policy: values.pull });
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

/** A machine can be created without an answer. */
const A_LOOK: Patience = { stallMs: 3000, attempts: 1 };

/**
 * The same for a name that may be anything that `--image` takes, and for a machine that is started later. The registry
 * is asked once, and only about what the cache does not have as an image.
 *
 * @returns undefined for an image, and where the registry does not say
 * @throws Interrupted; SmolError `config.*`; `image.limit` for more than SMOLVM_MAX_IMAGE_BYTES
 */
export async function packBehind(
  name: string,
  platform: Platform | undefined,
): Promise<PackSource | undefined> {
  if (isLocalImage(name) || isImageId(name)) return undefined;
  const none = { pull: "missing", proxy: undefined, noProxy: undefined, maxImageSize: undefined };
  const { maxImageBytes } = pullSettings(none);
  try {
    const { reference, registry, cacheDir } = await named(name);
    const known = findKnownRef(`${cacheDir}/images`, reference, platform ?? hostPlatform());
    if (known !== undefined && known.pack === undefined) return undefined;
    const pack = await open(reference, platform, registry, { patience: A_LOOK });
    look(name, pack, maxImageBytes);
    return pack;
  } catch (error) {
    if (error instanceof SmolError && /^(registry|pack)\./.test(error.code)) return undefined;
    throw error;
  }
}

/** What a name means for images, and how its registry is reached. @throws SmolError `registry.bad_reference`, `config.*` */
async function named(name: string) {
  const paths = resolvePaths();
  const { images, pull } = await loadSettings(paths);
  const reference = parseReference(name, { registry: images.defaultRegistry });
  const registry: RegistryOptions = {
    settings: images,
    credentials: openCredentials(images),
    stallMs: pull.stallSeconds * 1000,
    attempts: pull.attempts,
  };
  return { reference, registry, cacheDir: paths.cache };
}

async function open(
  reference: Reference,
  platform: Platform | undefined,
  registry: RegistryOptions,
  how: Parameters<typeof openRemotePack>[2],
): Promise<PackSource> {
  return await interruptible((signal) =>
    openRemotePack(
      { reference, platform: platformName(platform ?? hostPlatform()), registry: { ...registry, signal } },
      resolvePaths().cache,
      how,
    ),
  );
}
