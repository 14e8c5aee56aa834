import { mkdirSync } from "node:fs";
import type { BlobExpectations } from "../blob/index.ts";
import type { LayerRecorder, Totals } from "../layer/index.ts";
import { attempt } from "../make.ts";
import { sweepLeftovers } from "../newfile.ts";
import { writeSmallFile } from "../small-file.ts";
import { assembleImage, type ImageParts } from "./assemble.ts";
import { findImage } from "./describe.ts";
import { dropUnused } from "./drop.ts";
import { beginDurable, makeDurable } from "./durable.ts";
import { holdForAdding } from "./hold.ts";
import { importLayer, type LayerFacts } from "./import-layer.ts";
import { findLayer, layerFile, type StoredLayer } from "./layer-files.ts";
import { recordLayer, type UnpackOptions, unpackLayer } from "./layer-writer.ts";
import { type HeldLock, takeLock } from "./lock.ts";
import { type Fingerprint, sourcePath } from "./source-index.ts";
import { imagePaths, type StoredImage } from "./stored-image.ts";

export interface Built {
  readonly stored: StoredImage;
  /** Settles when the image is safe from a power cut; never rejects. */
  readonly durable: Promise<void>;
}

/**
 * The cache of images, for those who add to it: layers, each once, and images that are made of them. Files appear
 * complete or not at all; a file that is there is only removed or replaced.
 *
 *     const adding = await store.adding(signal);
 *     for each layer: const lock = await store.lockLayer(diffId, signal);
 *                     if (store.findLayer(diffId) === undefined) await store.unpackLayer(…); lock.release();
 *     const { stored } = await store.assemble({ id, config, platform, diffIds });
 *     const lease = leaseImage(store.directory, id);
 *     adding.release();
 */
export class ImageStore {
  readonly directory: string;

  /** @param cacheDir `Paths.cache`; made when it is missing. */
  constructor(cacheDir: string) {
    this.directory = `${cacheDir}/images`;
    for (const name of ["sources", "layers"]) {
      attempt(() => mkdirSync(`${this.directory}/${name}`, { recursive: true, mode: 0o700 }));
    }
  }

  /** See `findImage`. */
  find(id: string): StoredImage | undefined {
    return findImage(this.directory, id);
  }

  /** See `findLayer` in layer-files.ts. */
  findLayer(diffId: string): StoredLayer | undefined {
    return findLayer(this.directory, diffId);
  }

  /** Waits until no other process does what `key` names. */
  async lock(key: string, signal?: AbortSignal): Promise<HeldLock> {
    return await this.#take(`${this.directory}/${key.replace(/^sha256:/, "")}.lock`, signal);
  }

  /** Waits until no other process makes the layer. */
  async lockLayer(diffId: string, signal?: AbortSignal): Promise<HeldLock> {
    return await this.#take(`${this.directory}/${layerFile(diffId, "lock")}`, signal);
  }

  /** Locks the cache for adding: no process removes layers until it is released. Sweeps what was left behind. */
  async adding(signal?: AbortSignal): Promise<HeldLock> {
    const held = await attemptLater(() => holdForAdding(this.directory, signal));
    attempt(() => {
      sweepLeftovers(this.directory);
      sweepLeftovers(`${this.directory}/layers`);
    });
    return held;
  }

  /** See `unpackLayer` in layer-writer.ts. */
  async unpackLayer(
    source: AsyncIterable<Uint8Array>,
    expected: BlobExpectations,
    options: UnpackOptions = {},
  ): Promise<StoredLayer> {
    const stored = await unpackLayer(this.directory, source, expected, options);
    void beginDurable(this.directory, stored.diffId);
    return stored;
  }

  /** See `recordLayer` in layer-writer.ts. */
  async recordLayer(
    whiteouts: boolean,
    totals: Totals | undefined,
    fill: (recorder: LayerRecorder) => Promise<string>,
  ): Promise<StoredLayer> {
    return await recordLayer(this.directory, whiteouts, totals, fill);
  }

  /** See `importLayer` in import-layer.ts. */
  async importLayer(
    facts: LayerFacts,
    fillEntries: (fd: number) => Promise<void>,
    fillData: ((fd: number) => Promise<void>) | { readonly fd: number },
  ): Promise<StoredLayer> {
    const stored = await importLayer(this.directory, facts, fillEntries, fillData);
    void beginDurable(this.directory, stored.diffId);
    return stored;
  }

  /** Makes an image of layers that are in the cache, unless it is there: see `assembleImage`. */
  async assemble(parts: ImageParts): Promise<Built> {
    const lock = await this.#take(imagePaths(this.directory, parts.id).lock, parts.signal);
    try {
      const stored = this.find(parts.id) ?? assembleImage(this.directory, parts);
      return { stored, durable: makeDurable(this.directory, stored) };
    } finally {
      lock.release();
    }
  }

  /** Removes those of the given layers that no image is made of, unless another process adds to the cache. */
  dropUnused(diffIds: readonly string[]): void {
    dropUnused(this.directory, diffIds);
  }

  /** Has an image that is there written to the disk, as `assemble` does; nothing to do for one that is safe. */
  async makeDurable(stored: StoredImage): Promise<void> {
    await makeDurable(this.directory, stored);
  }

  /** Remembers which image a source gave. */
  remember(fingerprint: Fingerprint, id: string): void {
    const text = `${fingerprint.state}\n${id}\n`;
    attempt(() => writeSmallFile(sourcePath(this.directory, fingerprint), text));
  }

  async #take(path: string, signal: AbortSignal | undefined): Promise<HeldLock> {
    return await attemptLater(() => takeLock(path, "exclusive", signal));
  }
}

async function attemptLater<Result>(action: () => Promise<Result>): Promise<Result> {
  try {
    return await action();
  } catch (error) {
    return attempt(() => {
      throw error;
    });
  }
}
