import {
  closeSync,
  fchmodSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { constants, zstdCompress } from "node:zlib";
import { NewFile } from "../image/newfile.ts";
import { hostName } from "./create.ts";
import { unwritable } from "./failure.ts";
import { type RuntimeFile, readChunkAt } from "./write.ts";

/**
 * This very program as packs carry it for hosts that have no smolvm. Compressing it takes seconds; that is
 * done once, and the result is kept in the cache.
 */

/** 59 MB of 127, in 10 seconds on two busy cores. 12 makes 58.6 (23 s), 15 makes 58 (96 s), 19 makes 54.9 (140 s). */
const LEVEL = 9;

/** The launcher's decoder takes no larger ones (stub/unpack.c). */
const WINDOW_LOG = 23;

/** Each is a frame of its own, so that they are compressed side by side; larger ones save nothing. */
const PIECE = 16 * 1024 * 1024;

/** Each takes about 90 MB while it is compressed. */
const PARALLEL = 4;

export interface OwnRuntimeOptions {
  /** `Paths.cache`. */
  readonly cacheDir: string;
  /** Changes with the program: the build's identifier. */
  readonly buildId: string;
  /** The program's own file. */
  readonly program: string;
  readonly signal?: AbortSignal | undefined;
  /** Called before the work begins; not at all when there is none. */
  readonly onWork?: (() => void) | undefined;
}

/**
 * The runtime section of a pack for hosts such as this one.
 *
 * @throws SmolError `pack.no_space`, `pack.unwritable`; the signal's reason
 */
export async function ownRuntime(options: OwnRuntimeOptions): Promise<RuntimeFile> {
  const { cacheDir, buildId, program } = options;
  const directory = `${cacheDir}/packing`;
  const fd = openSync(program, "r");
  try {
    const contentBytes = fstatSync(fd).size;
    const path = keptIn(directory, buildId) ?? (await make(options, directory, fd, contentBytes));
    return { platform: hostName(), path, encoding: "zstd", contentBytes };
  } finally {
    closeSync(fd);
  }
}

/**
 * Writes the launcher (stub/) that is in front of a pack, an executable file that appears in one step.
 *
 * @param launcher the file of the asset `stub`
 * @throws SmolError `pack.no_space`, `pack.unwritable`
 */
export function writeLauncher(launcher: string, path: string): void {
  try {
    const file = new NewFile(dirname(path));
    try {
      file.writeAt(readFileSync(launcher), 0);
      fchmodSync(file.fd, 0o777 & ~process.umask());
      file.commit(path);
    } finally {
      file.discard();
    }
  } catch (error) {
    throw unwritable(path, error);
  }
}

/** `<build>-<SHA-256 of the file>.zst`: what is not as it was is not used. */
function keptIn(directory: string, buildId: string): string | undefined {
  for (const name of namesIn(directory)) {
    const [, build, digest] = /^([0-9a-f]{16})-([0-9a-f]{64})\.zst$/.exec(name) ?? [];
    if (build !== buildId.slice(0, 16)) continue;
    if (digestOf(`${directory}/${name}`) === digest) return `${directory}/${name}`;
    rmSync(`${directory}/${name}`, { force: true });
  }
  return undefined;
}

async function make(
  { buildId, signal, onWork }: OwnRuntimeOptions,
  directory: string,
  fd: number,
  size: number,
): Promise<string> {
  onWork?.();
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const others = namesIn(directory);
    const file = new NewFile(directory);
    try {
      const hasher = new Bun.CryptoHasher("sha256");
      let position = 0;
      for await (const frame of framesOf(fd, size, signal)) {
        hasher.update(frame);
        file.writeAt(frame, position);
        position += frame.length;
      }
      const path = `${directory}/${buildId.slice(0, 16)}-${hasher.digest("hex")}.zst`;
      file.commit(path);
      // Of versions before this one; a pack that is being written has its own open.
      for (const name of others) if (!path.endsWith(name)) rmSync(`${directory}/${name}`, { force: true });
      return path;
    } finally {
      file.discard();
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw unwritable(directory, error);
  }
}

/** The file's pieces in order, each a zstd frame; some are in the making at the same time. */
async function* framesOf(fd: number, size: number, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  const params = {
    [constants.ZSTD_c_compressionLevel]: LEVEL,
    [constants.ZSTD_c_windowLog]: WINDOW_LOG,
    [constants.ZSTD_c_checksumFlag]: 1,
  };
  const waiting: Promise<Buffer>[] = [];
  try {
    for (let at = 0; at < size; at += PIECE) {
      signal?.throwIfAborted();
      const piece = readChunkAt(fd, at, Math.min(PIECE, size - at));
      waiting.push(promisify(zstdCompress)(piece, { params }));
      if (waiting.length >= PARALLEL) yield await (waiting.shift() as Promise<Buffer>);
    }
    while (waiting.length > 0) yield await (waiting.shift() as Promise<Buffer>);
  } finally {
    await Promise.allSettled(waiting);
  }
}

function digestOf(path: string): string {
  const fd = openSync(path, "r");
  try {
    const hasher = new Bun.CryptoHasher("sha256");
    const { size } = fstatSync(fd);
    for (let at = 0; at < size; at += PIECE) hasher.update(readChunkAt(fd, at, Math.min(PIECE, size - at)));
    return hasher.digest("hex");
  } finally {
    closeSync(fd);
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
