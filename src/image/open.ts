import { statSync } from "node:fs";
import { resolve } from "node:path";
import { errnoOf } from "../errors.ts";
import { describeSource, type LocalSource } from "./local/source.ts";
import { hostPlatform } from "./platform.ts";
import {
  fileClock,
  findImage,
  imagePaths,
  isSettled,
  lookUpSource,
  openStore,
  type StoredImage,
} from "./store/index.ts";
import type { BootableImage, OpenImageOptions } from "./types.ts";

/**
 * Makes an image of this machine bootable: the archive of `docker save` or `podman save`, an OCI layout (archive or
 * directory), a root filesystem (directory or archive), or one of the archives on standard input.
 *
 * An archive that did not change since the last time is not read again: that takes a few milliseconds.
 *
 * @param source a path, or `-`.
 * @throws SmolError `image.*`; nothing is left behind then. When `signal` fires, its reason is thrown.
 */
export async function openLocalImage(source: string, options: OpenImageOptions): Promise<BootableImage> {
  const directory = resolve(`${options.cacheDir}/images`);
  if (source === "-") {
    const { makeLocalImage } = await import("./local/index.ts");
    const { stored, cached, durable } = await makeLocalImage(undefined, options);
    return bootable(directory, stored, cached, durable);
  }
  const before = await describe(source, options);
  const known = lookUpSource(directory, before.fingerprint);
  const stored = known === undefined ? undefined : findImage(directory, known);
  if (stored !== undefined) return bootable(directory, stored, true, Promise.resolve());

  const { makeLocalImage } = await import("./local/index.ts");
  const now = fileClock();
  const made = await makeLocalImage(before, options);
  // A source that changed while it was read, or only just before, may look the same and hold something else.
  const after = await describe(source, options);
  if (after.fingerprint.state === before.fingerprint.state && isSettled(before.fingerprint, now)) {
    (await openStore(options.cacheDir)).remember(before.fingerprint, made.stored.id);
  }
  return bootable(directory, made.stored, made.cached, made.durable);
}

/** Whether `--image X` names something on this machine (also when it may not be read), rather than in a registry. */
export function isLocalImage(source: string): boolean {
  if (source === "-") return true;
  try {
    return statSync(source, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    return errnoOf(error) === "EACCES";
  }
}

function describe(source: string, options: OpenImageOptions): Promise<LocalSource> {
  return describeSource(resolve(source), options.platform ?? hostPlatform());
}

function bootable(
  directory: string,
  stored: StoredImage,
  cached: boolean,
  durable: Promise<void>,
): BootableImage {
  const { id, config, sizeBytes } = stored;
  return { id, path: imagePaths(directory, id).image, config, sizeBytes, cached, durable };
}
