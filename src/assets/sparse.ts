import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import type { PackedAsset } from "./types.ts";

/** Where the data of an unpacked file goes: a list of pieces in file order. */
export type Extents = readonly { readonly offset: number; readonly length: number }[];

const BLOCK = 1024 * 1024;

/** The pieces of an asset's file that hold its data, in order. */
export function extentsOf(asset: Pick<PackedAsset, "size" | "extents">): Extents {
  const flat = asset.extents;
  if (!flat) return [{ offset: 0, length: asset.size }];
  return Array.from({ length: flat.length / 2 }, (_, index) => ({
    offset: flat[2 * index] ?? 0,
    length: flat[2 * index + 1] ?? 0,
  }));
}

/** Takes a stream of data and writes it to the extents of a file. */
export class ExtentWriter {
  private index = 0;
  private within = 0;
  private readonly fd: number;
  private readonly extents: Extents;

  constructor(fd: number, extents: Extents) {
    this.fd = fd;
    this.extents = extents;
  }

  /** @throws RangeError when there is more data than the extents hold. */
  write(data: Uint8Array): void {
    for (let done = 0; done < data.length; ) {
      const extent = this.extents[this.index];
      if (!extent) throw new RangeError("more data than the file holds");
      const length = Math.min(data.length - done, extent.length - this.within);
      const written = writeSync(this.fd, data, done, length, extent.offset + this.within);
      done += written;
      this.within += written;
      if (this.within === extent.length) {
        this.index++;
        this.within = 0;
      }
    }
  }

  /** Gives the file its full size, which a hole at its end may need. @throws RangeError when data is missing. */
  finish(size: number): void {
    if (this.index < this.extents.length) throw new RangeError("less data than the file holds");
    ftruncateSync(this.fd, size);
  }
}

/** The SHA-256 (hex) of the data in the extents of the file, or undefined when its size is not `size`. */
export function hashFile(path: string, size: number, extents: Extents): string | undefined {
  const fd = openSync(path, "r");
  try {
    if (fstatSync(fd).size !== size) return undefined;
    const hash = new Bun.CryptoHasher("sha256");
    const buffer = new Uint8Array(BLOCK);
    for (const { offset, length } of extents) {
      for (let done = 0; done < length; ) {
        const count = readSync(fd, buffer, 0, Math.min(BLOCK, length - done), offset + done);
        if (count === 0) return undefined;
        hash.update(buffer.subarray(0, count));
        done += count;
      }
    }
    return hash.digest("hex");
  } finally {
    closeSync(fd);
  }
}
