import { closeSync, fdatasync, fsync, openSync, writeSync } from "node:fs";
import { BOOT_BYTES, BOOT_OFFSET } from "../layer/header.ts";
import { writeSmallFile } from "../small-file.ts";
import { leaseImage } from "./hold.ts";
import { findLayer, layerPaths } from "./layer-files.ts";
import { imagePaths, type StoredImage } from "./stored-image.ts";

/**
 * Has the system write an image and its layers to the disk in the background, and notes it down when that is done.
 * Never rejects: what fails stays as good as its next check finds it.
 */
export async function makeDurable(directory: string, stored: StoredImage): Promise<void> {
  // An image that is safe may have got new files for a damaged layer.
  const unsafe = [...new Set(stored.layers.map(({ diffId }) => diffId))].filter(
    (diffId) => !findLayer(directory, diffId)?.durable,
  );
  if (stored.writtenInBoot === "" && unsafe.length === 0) return;
  // Leased: if a process removed the image in the meantime, this would bring half of it back.
  const lease = leaseImage(directory, stored.id, false);
  if (lease === undefined) return;
  try {
    await Promise.all(unsafe.map((diffId) => makeLayerDurable(directory, diffId)));
    if (stored.writtenInBoot === "") return;
    const paths = imagePaths(directory, stored.id);
    await sync(paths.metadata, fdatasync);
    await sync(paths.disk, fdatasync);
    await sync(directory, fsync);
    writeSmallFile(paths.description, JSON.stringify({ ...stored, writtenInBoot: "" }));
  } catch {
    // The disk is full, or reports errors.
  } finally {
    lease.release();
  }
}

/** Layers that are on their way to the disk already, by the path of their data. */
const underWay = new Map<string, Promise<void>>();

/** As `makeDurable`, for one layer that is complete: while others still come in. */
export async function beginDurable(directory: string, diffId: string): Promise<void> {
  await makeLayerDurable(directory, diffId).catch(() => {});
}

function makeLayerDurable(directory: string, diffId: string): Promise<void> {
  const { data } = layerPaths(directory, diffId);
  const begun = underWay.get(data) ?? syncLayer(directory, diffId).finally(() => underWay.delete(data));
  underWay.set(data, begun);
  return begun;
}

async function syncLayer(directory: string, diffId: string): Promise<void> {
  const { data, entries } = layerPaths(directory, diffId);
  await sync(data, fdatasync);
  await sync(entries, fdatasync);
  await sync(`${directory}/layers`, fsync);
  // The one thing that is ever changed in a file that has its name: a few bytes inside one sector, which are either
  // the old ones or the new ones.
  const fd = openSync(entries, "r+");
  try {
    writeSync(fd, Buffer.alloc(BOOT_BYTES), 0, BOOT_BYTES, BOOT_OFFSET);
  } finally {
    closeSync(fd);
  }
  await sync(entries, fdatasync);
}

type Sync = (fd: number, done: (error: NodeJS.ErrnoException | null) => void) => void;

async function sync(path: string, method: Sync): Promise<void> {
  const fd = openSync(path, "r");
  try {
    await new Promise<void>((resolve, reject) => {
      method(fd, (error) => (error === null ? resolve() : reject(error)));
    });
  } finally {
    closeSync(fd);
  }
}
