import { SmolError } from "../../errors.ts";
import { BLOCK, MAX_BLOCKS, writeMetadata } from "../erofs/index.ts";
import { DamagedEntries, type LayerEntry } from "../layer/index.ts";
import { Tree } from "../tree/index.ts";
import { applyLayer } from "./apply.ts";

/** A layer that was taken apart. */
export interface MergeLayer {
  /** What the layer is told apart by: layers with one name have one place on the disk. */
  readonly name: string;
  /** Length of its data, a multiple of a block. */
  readonly dataBytes: number;
  /** @throws DamagedEntries */
  entries(): Iterable<LayerEntry>;
  /** Reads a part of its data. @throws DamagedEntries */
  read(position: number, bytes: number): Buffer;
}

export interface MergeTarget {
  /** Where block 0 and everything behind the data of the layers goes. */
  readonly fd: number;
  /** Whether the layers' data is in that file too: then the file is the disk. */
  readonly holdsData: boolean;
  /** Identifies the contents: the filesystem's UUID is made from it. */
  readonly identity: string;
  readonly signal?: AbortSignal | undefined;
}

export interface Merged {
  /** Bytes of the whole disk, and of its part behind the layers' data. */
  readonly diskBytes: number;
  readonly restBytes: number;
}

/** A layer whose files are not as they were written. */
export class DamagedLayer extends Error {
  readonly layer: string;

  constructor(layer: string, cause: unknown) {
    super(`the files of layer ${layer} are damaged`, { cause });
    this.layer = layer;
  }
}

/**
 * Writes the filesystem that layers give, applied one over the other, without touching their data: the disk is block
 * 0, the data of each layer in order (of a layer that comes twice, once), and the rest. The time that it takes depends
 * on the number of entries only.
 *
 * @param layers from the lowest to the highest.
 * @throws SmolError for layers that make no sense together; DamagedLayer
 */
export function mergeLayers(layers: readonly MergeLayer[], target: MergeTarget): Merged {
  const { distinct, end } = placeLayers(layers);
  const tree = new Tree();
  for (const layer of layers) {
    target.signal?.throwIfAborted();
    const base = distinct.get(layer.name)?.base ?? 0;
    blaming(layer, () => applyLayer(tree, layer.entries(), base));
  }
  const placed = [...distinct.values()];
  const blocks = writeMetadata(tree.root, {
    fd: target.fd,
    firstBlock: end,
    position: target.holdsData ? end * BLOCK : BLOCK,
    uuid: uuidOf(target.identity),
    readInode: (position, bytes) => readInode(placed, position, bytes),
  });
  return { diskBytes: blocks * BLOCK, restBytes: (blocks - end) * BLOCK };
}

interface PlacedLayer {
  readonly layer: MergeLayer;
  /** First block of its data on the disk. */
  readonly base: number;
}

/** Decides where the data of each layer is on the disk. Behind block 0, in the order of the layers. */
function placeLayers(layers: readonly MergeLayer[]): { distinct: Map<string, PlacedLayer>; end: number } {
  const distinct = new Map<string, PlacedLayer>();
  let end = 1;
  for (const layer of layers) {
    if (distinct.has(layer.name)) continue;
    distinct.set(layer.name, { layer, base: end });
    end += layer.dataBytes / BLOCK;
  }
  if (end > MAX_BLOCKS) {
    throw new SmolError("image.too_large", "the image does not fit in an EROFS filesystem (16 TiB)");
  }
  return { distinct, end };
}

function readInode(placed: readonly PlacedLayer[], position: number, bytes: number): Buffer {
  const found = placed.findLast(({ base, layer }) => base * BLOCK <= position && layer.dataBytes > 0);
  if (found === undefined) throw new Error("an inode outside of all layers");
  const { layer, base } = found;
  return blaming(layer, () => layer.read(position - base * BLOCK, bytes));
}

function blaming<Result>(layer: MergeLayer, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    throw error instanceof DamagedEntries ? new DamagedLayer(layer.name, error) : error;
  }
}

/** The 16 bytes that identify the filesystem, made from what identifies its contents (RFC 9562, version 8). */
function uuidOf(identity: string): Uint8Array {
  const uuid = new Bun.CryptoHasher("sha256").update(identity).digest().subarray(0, 16);
  uuid[6] = 0x80 | ((uuid[6] ?? 0) & 0x0f);
  uuid[8] = 0x80 | ((uuid[8] ?? 0) & 0x3f);
  return uuid;
}
