import { closeSync, existsSync, openSync, readFileSync, readSync, statSync, writeFileSync } from "node:fs";
import { promisify } from "node:util";
import { constants, zstdCompress } from "node:zlib";
import { seekSparse } from "../ffi/libc.ts";
import { foldAddresses } from "../src/assets/fold.ts";
import type { PackedAsset } from "../src/assets/types.ts";
import { sha256 } from "./host.ts";
import { part, partDirectory } from "./parts.ts";

/** Compresses made parts for embedding. */

/** `fast` for a first try of the checkout, `small` for what is shipped; both unpack to the same file. */
export type Effort = "fast" | "small";

const levels: Record<Effort, number> = { fast: 3, small: 19 };

/** Holes are found in these units, which is the block size of every filesystem we make. */
const BLOCK = 4096;

/** Kernel, libkrun and the images have more; the small programs would gain a kilobyte. */
const WORTH_FOLDING = 1_000_000;

/** A packed file in the build cache and how to unpack it. */
export type Packed = Omit<PackedAsset, "file"> & { readonly path: string };

/** Compresses one file; sparse files are packed without their holes. */
export async function pack(name: string, file: string, effort: Effort): Promise<Packed> {
  const { size } = statSync(file);
  const { data, extents } = readSparse(file, size);
  // Folding needs all of it in memory when it is unpacked, and is worth it for what is mostly code.
  const folded = process.arch === "x64" && extents === undefined && size >= WORTH_FOLDING;
  const description = { size, sha256: sha256(data), ...(extents && { extents }), ...(folded && { folded }) };
  if (folded) foldAddresses(data);
  const inputs = (level: number) => ({ recipe: import.meta.path, pins: { ...description, level } });
  // What was packed well once is not packed again in a hurry.
  const better = partDirectory(`packed-${name}`, inputs(levels.small));
  const level = existsSync(better) ? levels.small : levels[effort];
  const directory = await part(`packed-${name}`, inputs(level), async (out) => {
    writeFileSync(`${out}/${name}.zst`, await compress(data, level));
  });
  const path = `${directory}/${name}.zst`;
  return { path, packedSize: statSync(path).size, ...description };
}

/** Compresses a text of ours. */
export function packBytes(data: Buffer, effort: Effort): Promise<Buffer> {
  return compress(data, levels[effort]);
}

/** The size (bytes) of a file as one zstd frame. */
export async function compressedSize(path: string, effort: Effort): Promise<number> {
  return (await compress(readFileSync(path), levels[effort])).length;
}

async function compress(data: Buffer, level: number): Promise<Buffer> {
  const params = {
    [constants.ZSTD_c_compressionLevel]: level,
    [constants.ZSTD_c_checksumFlag]: 1,
  };
  // One thread: with nbWorkers, Bun 1.4.5 returns nothing at all for large inputs at level 19, without an error.
  const packed = await promisify(zstdCompress)(data, { params });
  if (packed.length === 0) throw new Error(`zstd made nothing of ${data.length} bytes`);
  return packed;
}

/** The file's data; with a list of extents (offset, length, …) when blocks of zeros were left out. */
function readSparse(path: string, size: number): { data: Buffer; extents?: number[] } {
  const fd = openSync(path, "r");
  try {
    const start = seekSparse(fd, 0, "data");
    const firstHole = seekSparse(fd, 0, "hole");
    if (start === 0 && (firstHole === undefined || firstHole >= size)) return { data: readFileSync(path) };
    return readExtents(fd, size);
  } finally {
    closeSync(fd);
  }
}

function readExtents(fd: number, size: number): { data: Buffer; extents: number[] } {
  const pieces: Buffer[] = [];
  const extents: number[] = [];
  const keep = (block: Buffer, offset: number) => {
    const last = extents.length - 2;
    if (last >= 0 && (extents[last] ?? 0) + (extents[last + 1] ?? 0) === offset) {
      extents[last + 1] = (extents[last + 1] ?? 0) + block.length;
    } else extents.push(offset, block.length);
    pieces.push(block);
  };
  for (let at = seekSparse(fd, 0, "data"); at !== undefined; at = seekSparse(fd, at, "data")) {
    const end = seekSparse(fd, at, "hole") ?? size;
    for (let offset = at; offset < end; offset += BLOCK) {
      const block = Buffer.alloc(Math.min(BLOCK, end - offset));
      readSync(fd, block, 0, block.length, offset);
      if (block.some((byte) => byte !== 0)) keep(block, offset);
    }
    at = end;
  }
  return { data: Buffer.concat(pieces), extents };
}
