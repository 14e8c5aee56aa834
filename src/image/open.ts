import { resolve } from "node:path";
import { SmolError } from "../errors.ts";
import { bootable } from "./bootable.ts";
import { describeSource, type LocalSource, locateSource } from "./local/source.ts";
import { hostPlatform } from "./platform.ts";
import { fileClock, findImage, isSettled, lookUpSource, openStore } from "./store/index.ts";
import type { BootableImage, OpenImageOptions } from "./types.ts";

/** How often an image may be removed by others between the moment it is made and the moment it is held. */
const ATTEMPTS = 3;

/**
 * Makes an image of this machine bootable: the archive of `docker save` or `podman save`, an OCI layout (archive or
 * directory), a root filesystem (directory or archive), or one of the archives on standard input.
 *
 * An archive that did not change since the last time is not read again: that takes a few milliseconds.
 *
 * @param source a path, a path and the name of one of the images there (`./images.tar:app:v1`), or `-`.
 * @throws SmolError `image.*`; nothing is left behind then. When `signal` fires, its reason is thrown.
 */
export async function openLocalImage(source: string, options: OpenImageOptions): Promise<BootableImage> {
  const directory = resolve(`${options.cacheDir}/images`);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const opened =
      source === "-" ? await openStream(directory, options) : await openPath(directory, source, options);
    if (opened !== undefined) return opened;
    // What was on standard input is gone.
    if (source === "-") break;
  }
  throw new SmolError("image.removed", `other processes keep removing the image of ${source} from the cache`);
}

async function openStream(directory: string, options: OpenImageOptions): Promise<BootableImage | undefined> {
  const { makeLocalImage } = await import("./local/index.ts");
  const { stored, cached, durable, lease } = await makeLocalImage(undefined, options);
  return bootable(directory, stored, cached, durable, lease);
}

async function openPath(
  directory: string,
  source: string,
  options: OpenImageOptions,
): Promise<BootableImage | undefined> {
  const before = await describe(source, options);
  const known = lookUpSource(directory, before.fingerprint);
  const stored = known === undefined ? undefined : findImage(directory, known);
  if (stored !== undefined) {
    const held = bootable(directory, stored, true);
    if (held !== undefined) return held;
  }

  const { makeLocalImage } = await import("./local/index.ts");
  const now = fileClock();
  const made = await makeLocalImage(before, options);
  // A source that changed while it was read, or only just before, may look the same and hold something else.
  const after = await describe(source, options);
  if (after.fingerprint.state === before.fingerprint.state && isSettled(before.fingerprint, now)) {
    (await openStore(options.cacheDir)).remember(before.fingerprint, made.stored.id);
  }
  return bootable(directory, made.stored, made.cached, made.durable, made.lease);
}

function describe(source: string, options: OpenImageOptions): Promise<LocalSource> {
  const { path, name } = locateSource(source) ?? { path: source, name: undefined };
  return describeSource(resolve(path), name, options.platform ?? hostPlatform());
}
