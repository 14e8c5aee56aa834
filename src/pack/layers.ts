/** Layers between packs and the image store: bytes move, and nothing is converted. */
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { SmolError } from "../errors.ts";
import { diskError } from "../image/disk.ts";
import { decodeHeader, HEADER_BYTES, LAYER_VERSION } from "../image/layer/header.ts";
import { DamagedEntries } from "../image/layer/index.ts";
import { type ImageStore, layerPaths } from "../image/store/index.ts";
import type { Blob, Chunk } from "./chunk-index.ts";
import { damaged } from "./failure.ts";
import type { PackedLayer } from "./manifest.ts";
import type { Pack } from "./read.ts";
import type { AddOptions, PackWriter } from "./write.ts";
import { sha256, zeroDigest } from "./zeros.ts";

/** What a layer is kept under: see docs/pack-format.md. */
export function layerId(layer: Omit<PackedLayer, "id" | "diff_id">): string {
  const { format, entries, file_bytes, frames, data_bytes, tree_bytes, data, tree } = layer;
  const facts = ["smolvm layer", format, entries, file_bytes, frames, data_bytes, tree_bytes, data, tree];
  return `sha256:${sha256(JSON.stringify(facts))}`;
}

/**
 * Adds a layer of the image store to a pack. Its image is leased.
 *
 * @param directory of images
 * @throws SmolError `image.layer_damaged`; as `PackWriter.add`
 */
export async function packLayer(
  writer: PackWriter,
  directory: string,
  diffId: string,
  options: AddOptions,
): Promise<PackedLayer> {
  const paths = layerPaths(directory, diffId);
  const [data, entries] = [openLayerFile(paths.data, diffId), openLayerFile(paths.entries, diffId)];
  try {
    const head = Buffer.alloc(HEADER_BYTES);
    readSync(entries, head, 0, HEADER_BYTES, 0);
    const header = decodeHeader(head);
    if (header === undefined || header.diffId !== diffId) throw layerDamaged(diffId);
    const dataBlob = await writer.add(data, 0, header.dataBytes, options);
    const tree = await writer.add(entries, HEADER_BYTES, header.entriesBytes, { signal: options.signal });
    const layer = {
      format: LAYER_VERSION,
      entries: header.entries,
      file_bytes: header.bytes,
      frames: header.frames,
      data: dataBlob.digest,
      data_bytes: dataBlob.bytes,
      tree: tree.digest,
      tree_bytes: tree.bytes,
    };
    const id = layerId(layer);
    return diffId === id ? { id, ...layer } : { id, diff_id: diffId, ...layer };
  } finally {
    closeSync(data);
    closeSync(entries);
  }
}

function openLayerFile(path: string, diffId: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    throw layerDamaged(diffId, error);
  }
}

const layerDamaged = (diffId: string, cause?: unknown): SmolError =>
  new SmolError("image.layer_damaged", `a layer in the cache is damaged or was removed: ${diffId}`, {
    hint: "try again: it is fetched anew",
    cause,
  });

/**
 * Makes sure that a layer of a pack is in the image store, under its own id.
 *
 * @throws SmolError `pack.damaged`, `pack.unsupported`, `image.no_space` and others
 */
export async function unpackLayer(
  store: ImageStore,
  pack: Pack,
  layer: PackedLayer,
  options: UnpackOptions,
): Promise<void> {
  if (layer.format !== LAYER_VERSION) {
    throw new SmolError(
      "pack.unsupported",
      `the pack has a layer of version ${layer.format}, and this smolvm reads 2`,
      {
        hint: "a newer smolvm reads it",
      },
    );
  }
  const { id, entries, file_bytes: bytes, frames, data_bytes: dataBytes, tree_bytes } = layer;
  const [data, tree] = [await pack.blob(layer.data), await pack.blob(layer.tree)];
  const isRight = layerId(layer) === id && data.bytes === dataBytes && tree.bytes === tree_bytes;
  if (!isRight || dataBytes % 4096 !== 0) throw damaged("a layer");
  const lock = await store.lockLayer(id, options.signal);
  try {
    if (store.findLayer(id) !== undefined) return;
    const facts = { diffId: id, entries, bytes, frames, dataBytes, entriesBytes: HEADER_BYTES + tree_bytes };
    const fillTree = (fd: number) => writeBlob(pack, tree, fd, HEADER_BYTES, { signal: options.signal });
    const twin = openTwin(store, layer, data);
    try {
      const fillData = twin ?? ((fd: number) => writeBlob(pack, data, fd, 0, options));
      await store.importLayer(facts, fillTree, fillData);
    } finally {
      if (twin !== undefined) closeSync(twin.fd);
    }
  } catch (error) {
    throw error instanceof DamagedEntries ? damaged("a layer", error) : error;
  } finally {
    lock.release();
  }
}

export interface UnpackOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told how many bytes more are in their place. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/** Chunks that are read and decompressed at the same time. */
const PARALLEL = 4;

/** Writes a blob to a position of an empty file; zeros stay holes. */
async function writeBlob(
  pack: Pack,
  blob: Blob,
  fd: number,
  position: number,
  options: UnpackOptions,
): Promise<void> {
  const places = placesOf(blob);
  const worker = async () => {
    for (const { chunk, at } of places) {
      options.signal?.throwIfAborted();
      const bytes = await pack.chunk(chunk);
      if (bytes !== undefined) writeFully(fd, bytes, position + at);
      options.onBytes?.(chunk.bytes);
    }
  };
  const results = await Promise.allSettled(Array.from({ length: PARALLEL }, worker));
  const failed = results.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

function* placesOf(blob: Blob): Generator<{ readonly chunk: Chunk; readonly at: number }> {
  let at = 0;
  for (const chunk of blob.chunks) {
    yield { chunk, at };
    at += chunk.bytes;
  }
}

function writeFully(fd: number, bytes: Buffer, position: number): void {
  try {
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(fd, bytes, done, bytes.length - done, position + done);
    }
  } catch (error) {
    throw diskError(error);
  }
}

/**
 * Opens the data of a layer of the cache that claims to be the same, if every byte of it is. The pack's word for it is
 * not enough, in neither direction.
 */
function openTwin(store: ImageStore, layer: PackedLayer, data: Blob): { readonly fd: number } | undefined {
  const { diff_id } = layer;
  if (process.platform !== "linux" || diff_id === undefined) return undefined;
  if (store.findLayer(diff_id)?.bytes !== data.bytes) return undefined;
  const fd = openSync(layerPaths(store.directory, diff_id).data, "r");
  for (const { chunk, at } of placesOf(data)) {
    if (digestAt(fd, at, chunk.bytes) === chunk.digest) continue;
    closeSync(fd);
    return undefined;
  }
  return { fd };
}

function digestAt(fd: number, position: number, length: number): string {
  const bytes = Buffer.alloc(length);
  const count = readSync(fd, bytes, 0, length, position);
  return count === length ? sha256(bytes) : zeroDigest(0);
}
