import { statfsSync } from "node:fs";
import { SmolError } from "../../errors.ts";

/** Left free for everybody else: a disk that is full to the last block stops more than this program. */
const RESERVE = 64 * 1024 * 1024;

/** How often a running pull looks, in bytes that its files have grown by since. */
const LOOK_EVERY = 64 * 1024 * 1024;

/**
 * Makes sure that there is room for a pull, as far as that can be known: a layer takes at least about as much as it
 * has compressed, and how much more nobody says beforehand.
 *
 * @param needed bytes to be downloaded.
 * @throws SmolError `image.no_space`
 */
export function checkSpace(directory: string, needed: number): void {
  const free = freeBytes(directory);
  if (free === undefined || free >= needed + RESERVE) return;
  const why =
    needed === 0
      ? `the disk of the cache directory is nearly full: ${mebibytes(free)} are free`
      : `the image needs more than ${mebibytes(needed)} in the cache directory, and ${mebibytes(free)} are free`;
  throw new SmolError("image.no_space", why, {
    hint: "smolvm images prune --all removes what no machine uses; XDG_CACHE_HOME moves the cache",
  });
}

/** Looks again now and then while files are written. */
export class SpaceWatch {
  readonly #directory: string;
  #next: number | undefined;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * @param written bytes of all files so far, after decompression.
   * @throws SmolError `image.no_space`
   */
  look(written: number): void {
    // Less than before: a layer is downloaded once more.
    this.#next = Math.min(this.#next ?? Number.POSITIVE_INFINITY, written + LOOK_EVERY);
    if (written < this.#next) return;
    this.#next = written + LOOK_EVERY;
    checkSpace(this.#directory, 0);
  }
}

/** Undefined where the filesystem does not say. */
function freeBytes(directory: string): number | undefined {
  try {
    const { bavail, bsize, blocks } = statfsSync(directory);
    return blocks === 0 ? undefined : bavail * bsize;
  } catch {
    return undefined;
  }
}

const mebibytes = (bytes: number) => `${Math.ceil(bytes / (1024 * 1024)).toLocaleString("en")} MiB`;
