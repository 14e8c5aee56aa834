import { closeSync, openSync, readSync } from "node:fs";
import { SmolError } from "../../errors.ts";
import { bootId } from "../../host/index.ts";
import { checkTotals, DamagedEntries, readEntries } from "../layer/index.ts";
import { attempt } from "../make.ts";
import { DamagedLayer, type MergeLayer, mergeLayers } from "../merge/index.ts";
import { NewFile } from "../newfile.ts";
import { writeSmallFile } from "../small-file.ts";
import type { ImageConfig, Platform } from "../types.ts";
import { checksumOf } from "./describe.ts";
import { removeIfThere } from "./drop.ts";
import { findLayer, layerPaths, type StoredLayer } from "./layer-files.ts";
import { FORMAT_VERSION, imagePaths, type StoredImage } from "./stored-image.ts";
import { describeDisk } from "./vmdk.ts";

export interface ImageParts {
  readonly id: string;
  readonly config: ImageConfig;
  readonly platform: Platform;
  /** Lowest first; all of them have to be in the cache. */
  readonly diffIds: readonly string[];
  /** Default: registry. */
  readonly origin?: StoredImage["origin"] | undefined;
  readonly made?: StoredImage["made"];
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes an image of layers that are in the cache, and keeps it. Nothing is left when that fails.
 *
 * @throws SmolError `image.layer_damaged` when a layer is not, or not any more, as it was written: it counts as absent
 *   from then on. Others for layers that make no sense together.
 */
export function assembleImage(directory: string, parts: ImageParts): StoredImage {
  const layers = parts.diffIds.map((diffId) => findLayer(directory, diffId) ?? fail(diffId));
  checkTotals({
    entries: layers.reduce((sum, layer) => sum + layer.entries, 0),
    bytes: layers.reduce((sum, layer) => sum + layer.fileBytes, 0),
  });
  const file = attempt(() => new NewFile(directory));
  const open = new Map(layers.map((layer) => [layer.diffId, new LayerOnDisk(directory, layer)]));
  try {
    const merged = mergeLayers(
      layers.map(({ diffId }) => open.get(diffId) ?? fail(diffId)),
      { fd: file.fd, holdsData: false, identity: parts.id, signal: parts.signal },
    );
    const { id, config, platform, origin = "registry", made } = parts;
    const stored: StoredImage = {
      format: FORMAT_VERSION,
      id,
      platform,
      config,
      origin,
      made,
      createdAt: Math.floor(Date.now() / 1000),
      layers: layers.map(({ diffId, bytes }) => ({ diffId, bytes })),
      metadataBytes: BLOCK + merged.restBytes,
      sizeBytes: merged.diskBytes,
      checksum: checksumOf(firstBlock(file.fd)),
      writtenInBoot: bootId(),
    };
    attempt(() => keep(directory, file, stored));
    return stored;
  } catch (error) {
    if (!(error instanceof DamagedLayer)) throw error;
    forget(directory, error.layer);
    return fail(error.layer, error);
  } finally {
    for (const layer of open.values()) layer.close();
    file.discard();
  }
}

const BLOCK = 4096;

function firstBlock(fd: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  readSync(fd, block, 0, BLOCK, 0);
  return block;
}

/** In this order: an image without a description is not looked at, a description without its image is noticed. */
function keep(directory: string, file: NewFile, stored: StoredImage): void {
  const paths = imagePaths(directory, stored.id);
  file.commit(paths.metadata);
  writeSmallFile(paths.disk, describeDisk(stored));
  writeSmallFile(paths.description, JSON.stringify(stored));
}

/** Without its entries a layer is absent. Its data stays: a machine may be about to open it. */
function forget(directory: string, diffId: string): void {
  attempt(() => removeIfThere(layerPaths(directory, diffId).entries));
}

function fail(diffId: string, cause?: unknown): never {
  throw new SmolError("image.layer_damaged", `a layer in the cache is damaged or was removed: ${diffId}`, {
    hint: "try again: it is fetched anew",
    cause,
  });
}

/** Opens the files of a layer when they are needed. */
class LayerOnDisk implements MergeLayer {
  readonly name: string;
  readonly dataBytes: number;
  readonly #paths: { data: string; entries: string };
  #data: number | undefined;

  constructor(directory: string, layer: StoredLayer) {
    this.name = layer.diffId;
    this.dataBytes = layer.bytes;
    this.#paths = layerPaths(directory, layer.diffId);
  }

  *entries() {
    const fd = this.#open(this.#paths.entries);
    try {
      yield* readEntries(fd);
    } finally {
      closeSync(fd);
    }
  }

  read(position: number, length: number): Buffer {
    this.#data ??= this.#open(this.#paths.data);
    const bytes = Buffer.allocUnsafe(length);
    if (readSync(this.#data, bytes, 0, length, position) === length) return bytes;
    throw new DamagedEntries("the data is too short");
  }

  close(): void {
    if (this.#data !== undefined) closeSync(this.#data);
    this.#data = undefined;
  }

  #open(path: string): number {
    try {
      return openSync(path, "r");
    } catch (error) {
      throw new DamagedEntries("a file cannot be opened", { cause: error });
    }
  }
}
