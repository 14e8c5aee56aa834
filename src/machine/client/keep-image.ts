import type { Paths } from "../../config/paths.ts";
import type { MachineRecord } from "../model/index.ts";
import { recordPath, writeRecord } from "../store/index.ts";

/**
 * From its first start on a machine needs the very image that it was begun on, also while it does not run: pins it, and
 * has the record say which one it is.
 *
 * @param before the record as it is on the disk
 * @throws SmolError `image.removed`
 */
export async function keepImage(paths: Paths, before: MachineRecord, record: MachineRecord): Promise<void> {
  const pin = await pinImageOf(paths, record);
  try {
    if (record !== before) writeRecord(paths, record);
  } finally {
    pin?.release();
  }
}

/**
 * Pins what a record says that the machine was begun on.
 *
 * @returns what keeps it until the record is in its place; undefined when it was never started, or when a built-in
 * image of another version is gone
 * @throws SmolError `image.removed`
 */
export async function pinImageOf(
  paths: Paths,
  record: MachineRecord,
): Promise<{ readonly release: () => void } | undefined> {
  const { imageId, baseId } = record;
  const path = recordPath(paths, record.name);
  if (imageId !== null) {
    const { pinImage } = await import("../../image/index.ts");
    return await pinImage(paths.cache, imageId, path);
  }
  if (baseId === null) return undefined;
  const { assetPathOf, pinAsset } = await import("../../assets/index.ts");
  const base = await assetPathOf("base", baseId, paths.cache);
  return base === undefined ? undefined : await pinAsset(base, path);
}
