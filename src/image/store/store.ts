import { closeSync, fdatasync, fsyncSync, mkdirSync, openSync, readSync, writeSync } from "node:fs";
import { attempt, type ImageTarget, makeImage } from "../make.ts";
import { NewFile, sweepLeftovers } from "../newfile.ts";
import type { ImageConfig } from "../types.ts";
import { checksumOf, currentBoot, FORMAT_VERSION, findImage, imagePaths, type StoredImage } from "./entry.ts";
import { type HeldLock, takeLock } from "./lock.ts";
import { type Fingerprint, sourcePath } from "./source-index.ts";

export interface Built {
  readonly stored: StoredImage;
  /** Settles when the image is safe from a power cut; never rejects. */
  readonly durable: Promise<void>;
}

/**
 * The cache of images: `<hex>.erofs` and `<hex>.json` for each, named by what the image is made from. Files appear
 * complete or not at all; a file that is there is never written to, only removed or replaced.
 */
export class ImageStore {
  readonly directory: string;

  /** @param cacheDir `Paths.cache`; made when it is missing. */
  constructor(cacheDir: string) {
    this.directory = `${cacheDir}/images`;
    attempt(() => mkdirSync(`${this.directory}/sources`, { recursive: true, mode: 0o700 }));
  }

  /** See `findImage`. */
  find(id: string): StoredImage | undefined {
    return findImage(this.directory, id);
  }

  /** Waits until no other process makes the image (or reads the source) that `key` names. */
  async lock(key: string, signal?: AbortSignal): Promise<HeldLock> {
    return await takeLock(`${this.directory}/${key.replace(/^sha256:/, "")}.lock`, signal);
  }

  /**
   * Makes an image and keeps it. Nothing is left when `fill` fails, or when the process is killed.
   *
   * @param fill puts the files into the tree and the image, and says what came out.
   */
  async build(fill: (target: ImageTarget) => Promise<{ id: string; config: ImageConfig }>): Promise<Built> {
    attempt(() => sweepLeftovers(this.directory));
    const identified = async (target: ImageTarget) => {
      const filled = await fill(target);
      return { ...filled, identity: filled.id };
    };
    return await makeImage(this.directory, identified, (file, sizeBytes, { id, config }) =>
      attempt(() => this.#keep(file, { id, config, sizeBytes })),
    );
  }

  /** Remembers which image a source gave. */
  remember(fingerprint: Fingerprint, id: string): void {
    attempt(() => this.#writeSmall(sourcePath(this.directory, fingerprint), `${fingerprint.state}\n${id}\n`));
  }

  #keep(file: NewFile, image: Pick<StoredImage, "id" | "config" | "sizeBytes">): Built {
    // Another process was faster, or the identity was not known before: what is there may be in use already.
    const there = this.find(image.id);
    if (there !== undefined) return { stored: there, durable: Promise.resolve() };
    const block = Buffer.alloc(4096);
    readSync(file.fd, block, 0, block.length, 0);
    const stored: StoredImage = {
      format: FORMAT_VERSION,
      ...image,
      checksum: checksumOf(block),
      writtenInBoot: currentBoot(),
    };
    const paths = imagePaths(this.directory, image.id);
    // In this order: an image without a description is not looked at, a description without its image is noticed.
    file.commit(paths.image);
    this.#writeSmall(paths.description, JSON.stringify(stored));
    return { stored, durable: this.#makeDurable(paths.image, paths.description, stored) };
  }

  /** Has the system write the image to the disk in the background, and notes it down when that is done. */
  async #makeDurable(image: string, description: string, stored: StoredImage): Promise<void> {
    try {
      const fd = openSync(image, "r");
      const failed = await new Promise<unknown>((resolve) => fdatasync(fd, resolve));
      closeSync(fd);
      if (failed) return;
      const directory = openSync(this.directory, "r");
      fsyncSync(directory);
      closeSync(directory);
      this.#writeSmall(description, JSON.stringify({ ...stored, writtenInBoot: "" }));
    } catch {
      // The image was removed, or the disk is full: it stays as good as its next check finds it.
    }
  }

  #writeSmall(path: string, text: string): void {
    const file = new NewFile(this.directory);
    try {
      const bytes = Buffer.from(text);
      for (let done = 0; done < bytes.length; ) done += writeSync(file.fd, bytes, done, bytes.length - done);
      file.commit(path);
    } finally {
      file.discard();
    }
  }
}
