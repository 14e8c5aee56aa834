import { type FileHandle, open } from "node:fs/promises";
import { SmolError } from "../../errors.ts";
import { isUnusable } from "./layer-files.ts";
import type { StoredImage } from "./stored-image.ts";
import { type Extent, extentsOf } from "./vmdk.ts";

/** Bytes of one read: as much as a few frames take, so that reading and sending go on side by side. */
const CHUNK = 256 * 1024;

/**
 * The bytes of an image's disk, in order: the EROFS that the descriptor makes of several files. The caller has a lease
 * on the image.
 *
 * @param directory of images
 * @throws SmolError `image.layer_damaged` when a file is missing or too short
 */
export async function* readDisk(
  directory: string,
  image: Pick<StoredImage, "id" | "layers" | "metadataBytes">,
): AsyncGenerator<Uint8Array, void, void> {
  for (const extent of extentsOf(image)) {
    const file = await openPart(directory, extent);
    try {
      yield* readExtent(file, extent);
    } finally {
      await file.close();
    }
  }
}

async function openPart(directory: string, { file }: Extent): Promise<FileHandle> {
  try {
    return await open(`${directory}/${file}`, "r");
  } catch (error) {
    if (isUnusable(error)) throw damaged(file, error);
    throw error;
  }
}

async function* readExtent(file: FileHandle, { file: name, offset, bytes }: Extent) {
  for (let done = 0; done < bytes; ) {
    // Each a buffer of its own: whoever gets it may keep it.
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK, bytes - done));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, offset + done);
    if (bytesRead === 0) throw damaged(name);
    yield buffer.subarray(0, bytesRead);
    done += bytesRead;
  }
}

function damaged(file: string, cause?: unknown): SmolError {
  return new SmolError(
    "image.layer_damaged",
    `a file of the image cache is damaged or was removed: ${file}`,
    {
      hint: "try again: it is fetched anew",
      cause,
    },
  );
}
