/**
 * Programs as packs carry them: compressed, which takes seconds, and is done once. The results are in
 * `<cache>/packing/`.
 */
import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { promisify } from "node:util";
import { constants, zstdCompress } from "node:zlib";
import { NewFile } from "../image/newfile.ts";
import { unwritable } from "./failure.ts";
import { type RuntimeFile, readChunkAt } from "./write.ts";

/** 59 MB of 127, in 10 seconds on two busy cores. 12 makes 58.6 (23 s), 15 makes 58 (96 s), 19 makes 54.9 (140 s). */
const LEVEL = 9;

/** The launcher's decoder takes no larger ones (stub/unpack.c). */
const WINDOW_LOG = 23;

/** Each is a frame of its own, so that they are compressed side by side; larger ones save nothing. */
const PIECE = 16 * 1024 * 1024;

/** Each takes about 90 MB while it is compressed. */
const PARALLEL = 4;

/** Beside a new one: those of the other platforms of a pack. Each has about 60 MB. */
const KEPT = 4;

/** What is packed, and of which kept file that is the content. */
export interface RuntimeContent {
  /** `linux/amd64`. */
  readonly platform: string;
  /** 16 hexadecimal digits that change with the program. */
  readonly key: string;
  /** Opens the program itself; called only when nothing is kept. */
  readonly open: () => Promise<OpenContent>;
}

interface OpenContent extends Disposable {
  readonly fd: number;
  readonly bytes: number;
}

/** `<key>-<SHA-256 of the file>-<bytes of the program>.zst`: what is not as it was is not used. */
const pattern = /^([0-9a-f]{16})-([0-9a-f]{64})-([1-9][0-9]{0,9})\.zst$/;

/**
 * The kept file of a program, made when there is none. Whoever copies it into a pack compares its digest (`PackWriter`).
 *
 * @param directory `<cache>/packing`
 * @throws SmolError `pack.no_space`, `pack.unwritable`; what `content.open` throws; the signal's reason
 */
export async function keptRuntime(
  directory: string,
  content: RuntimeContent,
  signal: AbortSignal | undefined,
): Promise<RuntimeFile> {
  const { platform, key } = content;
  const name =
    namesIn(directory).find((name) => name.startsWith(`${key}-`) && pattern.test(name)) ??
    (await make(directory, content, signal));
  const [, , digest, bytes] = pattern.exec(name) ?? [];
  return { platform, path: `${directory}/${name}`, encoding: "zstd", contentBytes: Number(bytes), digest };
}

/** @returns the name of the file */
async function make(
  directory: string,
  { key, open }: RuntimeContent,
  signal: AbortSignal | undefined,
): Promise<string> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  using content = await open();
  try {
    const others = namesIn(directory);
    const file = new NewFile(directory);
    try {
      const hasher = new Bun.CryptoHasher("sha256");
      let position = 0;
      for await (const frame of framesOf(content, signal)) {
        hasher.update(frame);
        file.writeAt(frame, position);
        position += frame.length;
      }
      const name = `${key}-${hasher.digest("hex")}-${content.bytes}.zst`;
      file.commit(`${directory}/${name}`);
      removeOldest(directory, others);
      return name;
    } finally {
      file.discard();
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw unwritable(directory, error);
  }
}

/** The file's pieces in order, each a zstd frame; some are in the making at the same time. */
async function* framesOf(
  { fd, bytes }: OpenContent,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  const params = {
    [constants.ZSTD_c_compressionLevel]: LEVEL,
    [constants.ZSTD_c_windowLog]: WINDOW_LOG,
    [constants.ZSTD_c_checksumFlag]: 1,
  };
  const waiting: Promise<Buffer>[] = [];
  try {
    for (let at = 0; at < bytes; at += PIECE) {
      signal?.throwIfAborted();
      const piece = readChunkAt(fd, at, Math.min(PIECE, bytes - at));
      waiting.push(promisify(zstdCompress)(piece, { params }));
      if (waiting.length >= PARALLEL) yield await (waiting.shift() as Promise<Buffer>);
    }
    while (waiting.length > 0) yield await (waiting.shift() as Promise<Buffer>);
  } finally {
    await Promise.allSettled(waiting);
  }
}

/** Those of versions before this one; a pack that is being written has its own open. */
function removeOldest(directory: string, names: readonly string[]): void {
  const ages = names.map((name) => {
    const path = `${directory}/${name}`;
    return { path, made: statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0 };
  });
  const oldest = ages.sort((a, b) => b.made - a.made).slice(KEPT);
  for (const { path } of oldest) rmSync(path, { force: true });
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
