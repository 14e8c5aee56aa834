import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { foldAddresses } from "./fold.ts";
import type { PackedAsset } from "./types.ts";

/** A directory for one test, removed when the test's `using` scope ends. */
export function temporaryDirectory(): { readonly path: string } & Disposable {
  const path = mkdtempSync(`${tmpdir()}/smolvm-assets-`);
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Packs `data` as build.ts does, into `file`. */
export function packData(file: string, data: Uint8Array, layout: Partial<PackedAsset> = {}): PackedAsset {
  const folded = new Uint8Array(data);
  if (layout.folded) foldAddresses(folded);
  const packed = Bun.zstdCompressSync(folded);
  writeFileSync(file, packed);
  const sha256 = new Bun.CryptoHasher("sha256").update(data).digest("hex");
  return { file, packedSize: packed.length, size: data.length, sha256, ...layout };
}

/** Bytes that compress a little, the same for the same seed. */
export function someBytes(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[index] = (state >>> 16) & 0x3f;
  }
  return bytes;
}
