import { closeSync, openSync, readSync } from "node:fs";
import { SmolError } from "../../errors.ts";
import type { ErofsSource } from "../erofs/reader.ts";
import type { StoredImage } from "./stored-image.ts";
import { type Extent, extentsOf } from "./vmdk.ts";

/** The bytes of a disk that lies in parts of files, by place. To be closed. */
export interface DiskSource extends ErofsSource, Disposable {}

/**
 * An image of the cache. The caller has a lease on it.
 *
 * @param directory of images
 * @throws SmolError `image.layer_damaged` when a file is missing; later, when it is too short
 */
export function openImageDisk(
  directory: string,
  image: Pick<StoredImage, "id" | "layers" | "metadataBytes">,
): DiskSource {
  return openParts(extentsOf(image).map((extent) => ({ ...extent, file: `${directory}/${extent.file}` })));
}

/** A disk that is one file. */
export function openFileDisk(path: string): DiskSource {
  return openParts([{ file: path, offset: 0, bytes: Number.MAX_SAFE_INTEGER }]);
}

function openParts(extents: readonly Extent[]): DiskSource {
  const files = new Map<string, number>();
  const close = () => {
    for (const fd of files.values()) closeSync(fd);
  };
  let start = 0;
  const parts: {
    readonly fd: number;
    readonly start: number;
    readonly end: number;
    readonly offset: number;
  }[] = [];
  try {
    for (const { file, offset, bytes } of extents) {
      const fd = files.get(file) ?? openSync(file, "r");
      files.set(file, fd);
      parts.push({ fd, start, end: start + bytes, offset });
      start += bytes;
    }
  } catch (cause) {
    close();
    throw damaged(cause);
  }
  return {
    read(position, length) {
      const bytes = Buffer.allocUnsafe(length);
      for (let done = 0; done < length; ) {
        const at = position + done;
        const part = parts.find(({ end }) => at < end);
        if (part === undefined) throw damaged();
        const most = Math.min(length - done, part.end - at);
        const count = readSync(part.fd, bytes, done, most, part.offset + at - part.start);
        if (count === 0) throw damaged();
        done += count;
      }
      return bytes;
    },
    [Symbol.dispose]: close,
  };
}

const damaged = (cause?: unknown): SmolError =>
  new SmolError("image.layer_damaged", "a file of the image is damaged or was removed", {
    hint: "pull it again",
    cause,
  });
