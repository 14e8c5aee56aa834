import type { Settings } from "../../config/index.ts";
import { SmolError } from "../../errors.ts";
import { platformName } from "../../image/platform.ts";
import { findKnownRef } from "../../image/refs/index.ts";
import { isImageId, isLocalImage } from "../../image/source-kind.ts";
import type { Platform } from "../../image/types.ts";
import type { PackSource } from "../open-image.ts";
import { type NamePackOptions, nameImage } from "./name.ts";
import { openRemotePack, type Patience } from "./pull.ts";

export interface BehindOptions extends NamePackOptions {
  /** Of the guest. */
  readonly platform: Platform;
  readonly settings: Settings;
  /** `Paths.cache` */
  readonly cacheDir: string;
}

/** A machine can be created without an answer. */
const A_LOOK: Patience = { stallMs: 3000, attempts: 1 };

/**
 * The pack behind a name that may be anything that names an image, for a machine that is started later. The registry is
 * asked once, and only about what the cache does not have as an image.
 *
 * @returns undefined for an image, and where the registry does not say
 * @throws the signal's reason
 */
export async function packBehindImage(
  name: string,
  { platform, settings, cacheDir, ...options }: BehindOptions,
): Promise<PackSource | undefined> {
  if (isLocalImage(name) || isImageId(name)) return undefined;
  try {
    const { reference, registry } = nameImage(name, settings, options);
    const known = findKnownRef(`${cacheDir}/images`, reference, platform);
    if (known !== undefined && known.pack === undefined) return undefined;
    const request = { reference, registry, platform: platformName(platform) };
    return await openRemotePack(request, cacheDir, { patience: A_LOOK });
  } catch (error) {
    if (error instanceof SmolError && /^(registry|pack)\./.test(error.code)) return undefined;
    throw error;
  }
}
