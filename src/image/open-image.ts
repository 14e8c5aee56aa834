import { resolve } from "node:path";
import type { Settings } from "../config/index.ts";
import { SmolError } from "../errors.ts";
import type { Reference } from "../registry/index.ts";
import { bootable } from "./bootable.ts";
import { exists, isRecipe, isRecipeName, locateSource } from "./local/source.ts";
import { openLocalImage } from "./open.ts";
import { checkPlatform, hostPlatform } from "./platform.ts";
import { findKnownRef } from "./refs/index.ts";
import { isImageId, isLocalImage } from "./source-kind.ts";
import { findImage } from "./store/index.ts";
import type { BootableImage, OpenImageOptions, PullOptions } from "./types.ts";

export interface OpenAnyImageOptions extends OpenImageOptions, PullOptions {
  /** Asked for when the image is one of a registry, or was not in the cache. */
  readonly loadSettings: () => Promise<Settings>;
}

const FULL_ID = "sha256:".length + 64;

/** How often an image may be removed by others between the moment it is found and the moment it is held. */
const ATTEMPTS = 5;

/**
 * Makes an image bootable: a local one (see `openLocalImage`), one of the cache by its id, or one of a registry by
 * its reference, which is pulled when it is not in the cache, or when `policy` says so.
 *
 * @throws SmolError `image.*`, `registry.*`, `config.*`; nothing is left behind then but complete layers.
 */
export async function openImage(source: string, options: OpenAnyImageOptions): Promise<BootableImage> {
  const directory = resolve(`${options.cacheDir}/images`);
  if (isLocalImage(source)) {
    if (source !== "-" && locateSource(source) === undefined) throw noSuchFile(source);
    const image = await openLocalImage(source, options);
    if (!image.cached) await makeRoom(directory, await options.loadSettings(), image.id);
    return image;
  }
  if (isImageId(source)) return await openById(directory, source, options);
  try {
    return await openReference(directory, source, options);
  } catch (error) {
    throw exists(source) ? asPath(source, error) : error;
  }
}

function noSuchFile(source: string): SmolError {
  return new SmolError("image.no_such_file", `no such file or directory: ${source}`, {
    hint: "an image is an archive, an OCI layout, a root filesystem directory, or a reference as in alpine:3.20",
  });
}

/** Failures after which it is likely that a file or directory was meant. */
const NO_SUCH_REFERENCE = [
  "registry.bad_reference",
  "registry.not_found",
  "registry.unauthorized",
  "registry.denied",
  "image.not_cached",
];

/** A reference that led nowhere, while something of that name lies in the working directory. */
function asPath(source: string, error: unknown): unknown {
  if (!(error instanceof SmolError) || !NO_SUCH_REFERENCE.includes(error.code)) return error;
  if (isRecipeName(source)) return isRecipe(source);
  const { code, message, exitCode } = error;
  const hint = `for the file or directory here, write --image ./${source}`;
  return new SmolError(code, message, {
    hint,
    cause: error,
    exitCode,
  });
}

/** @param name an id, or its first digits. */
async function openById(
  directory: string,
  name: string,
  options: OpenAnyImageOptions,
): Promise<BootableImage> {
  const id = name.length === FULL_ID ? name : (await inspect(directory, name)).id;
  const stored = findImage(directory, id);
  if (stored !== undefined) {
    const hint = "smolvm images ls shows the platform of each image";
    checkPlatform(stored.platform, options.platform ?? hostPlatform(), hint);
  }
  const held = stored && bootable(directory, stored, true);
  if (held !== undefined) return held;
  throw new SmolError("image.not_found", `no such image in the cache: ${id}`, {
    hint: "smolvm images ls lists what is there",
  });
}

async function inspect(directory: string, name: string): Promise<{ readonly id: string }> {
  return (await import("./manage/index.ts")).inspectImage(directory, name);
}

async function makeRoom(directory: string, settings: Settings, keep: string): Promise<void> {
  (await import("./manage/index.ts")).makeRoom(directory, settings.cache.maxBytes, keep);
}

async function openReference(
  directory: string,
  source: string,
  options: OpenAnyImageOptions,
): Promise<BootableImage> {
  const { parseReference } = await import("../registry/index.ts");
  const settings = await options.loadSettings();
  const reference = parseReference(source, { registry: settings.images.defaultRegistry });
  const platform = options.platform ?? hostPlatform();
  const { policy = "missing" } = options;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (policy !== "always" || attempt > 0) {
      const known = findKnownRef(directory, reference, platform);
      const stored = known && findImage(directory, known.imageId);
      if (stored !== undefined && known?.pack !== undefined)
        throw (await import("./oci/manifest.ts")).isAPack();
      const held = stored && bootable(directory, stored, true);
      if (held !== undefined) return held;
    }
    if (policy === "never") throw notCached(reference);
    const { pull } = await import("./pull/index.ts");
    const pulled = await pull({
      ...options,
      reference,
      platform,
      settings,
      policy: attempt > 0 ? "missing" : policy,
    });
    const held = bootable(directory, pulled.stored, !pulled.changed, pulled.durable);
    if (held !== undefined) return held;
  }
  throw new SmolError("image.removed", `other processes keep removing ${reference.familiar} from the cache`);
}

function notCached(reference: Reference): SmolError {
  return new SmolError(
    "image.not_cached",
    `${reference.familiar} is not in the cache, and --pull never was given`,
    {
      hint: `smolvm images pull ${reference.familiar} fetches it`,
    },
  );
}
