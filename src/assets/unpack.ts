import { statSync } from "node:fs";
import { SmolError } from "../errors.ts";
import { createFile } from "./create.ts";
import { cacheError } from "./failure.ts";
import { unfoldAddresses } from "./fold.ts";
import { whileLocked } from "./lock.ts";
import { pruneRuntime } from "./prune.ts";
import { sayIfSlow } from "./slow.ts";
import { type Extents, ExtentWriter, extentsOf, hashFile } from "./sparse.ts";
import { matchingStamp, writeStamp } from "./stamp.ts";
import type { PackedAsset } from "./types.ts";

/**
 * Makes sure that the asset's unpacked file is there and right: waits for another process that is unpacking it,
 * reads and checks a file that the stamp does not vouch for, and unpacks it anew when it is absent or damaged.
 *
 * @param directory the file's own directory below `<cache>/runtime/`.
 * @param mode of a file that is made
 * @throws SmolError `assets.no_space`, `assets.cache_unwritable`, `assets.damaged_program`, `assets.unpack_failed`.
 */
export async function unpack(
  asset: PackedAsset,
  directory: string,
  path: string,
  mode = 0o444,
): Promise<void> {
  const quiet = sayIfSlow("unpacking smolvm's own files (only this once)");
  try {
    await whileLocked(directory, async () => {
      if (matchingStamp(path)) return; // another process was faster
      const extents = extentsOf(asset);
      if (!isIntact(path, asset, extents)) await createFile(path, mode, (fd) => fill(fd, asset, extents));
      writeStamp(path, asset.sha256);
    });
    pruneRuntime(directory.slice(0, directory.lastIndexOf("/")));
  } catch (error) {
    throw cacheError(error, directory);
  } finally {
    quiet();
  }
}

function isIntact(path: string, asset: PackedAsset, extents: Extents): boolean {
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return false;
  return hashFile(path, asset.size, extents) === asset.sha256;
}

/** Decompresses the asset into the file, and refuses the result if it is not what was built. */
async function fill(fd: number, asset: PackedAsset, extents: Extents): Promise<void> {
  const writer = new ExtentWriter(fd, extents);
  const hash = new Bun.CryptoHasher("sha256");
  try {
    for await (const chunk of asset.folded ? unfolded(asset) : dataOf(asset)) {
      hash.update(chunk);
      writer.write(chunk);
    }
    writer.finish(asset.size);
  } catch (error) {
    if (error instanceof Error && "syscall" in error) throw error; // the disk's fault, not the program's
    throw damaged(asset, error);
  }
  if (hash.digest("hex") !== asset.sha256) throw damaged(asset);
}

const dataOf = (asset: PackedAsset) =>
  Bun.file(asset.file).stream().pipeThrough(new DecompressionStream("zstd"));

/** All of the data as one piece: its addresses are turned back where all of it is. */
async function* unfolded(asset: PackedAsset): AsyncGenerator<Uint8Array> {
  const data = new Uint8Array(asset.size);
  let length = 0;
  for await (const chunk of dataOf(asset)) {
    data.set(chunk, length);
    length += chunk.length;
  }
  unfoldAddresses(data);
  yield data;
}

function damaged(asset: PackedAsset, cause?: unknown): SmolError {
  return new SmolError("assets.damaged_program", `the smolvm executable is damaged (${asset.file})`, {
    hint: "download or build it again",
    cause,
  });
}
