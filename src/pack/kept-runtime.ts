/**
 * Programs as packs carry them: compressed, which takes seconds, and is done once. The results are in
 * `<cache>/packing/`.
 */
import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { constants, createZstdCompress } from "node:zlib";
import { foldAddresses } from "../assets/fold.ts";
import { NewFile } from "../image/newfile.ts";
import { unwritable } from "./failure.ts";
import type { Encoding } from "./format.ts";
import { type RuntimeFile, readChunkAt } from "./write.ts";

/**
 * 54.0 MB of 129, in 8 seconds of processor time: one frame in which everything may refer to everything before it.
 * docs/benchmarks.md has what was tried.
 */
const params = {
  [constants.ZSTD_c_compressionLevel]: 12,
  /** All of the program; the launcher's decoder takes no larger ones (stub/unpack.c). */
  [constants.ZSTD_c_windowLog]: 27,
  [constants.ZSTD_c_searchLog]: 5,
  [constants.ZSTD_c_hashLog]: 25,
  [constants.ZSTD_c_minMatch]: 5,
  [constants.ZSTD_c_checksumFlag]: 1,
};

/** Between two of these the work can be stopped. */
const PIECE = 1024 * 1024;

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

/** `<key>-<SHA-256 of the file>-<bytes of the program>.<encoding>`: what is not as it was is not used. */
const pattern = /^([0-9a-f]{16})-([0-9a-f]{64})-([1-9][0-9]{0,9})\.(zstd|folded)$/;

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
  const [, , digest, bytes, encoding] = pattern.exec(name) ?? [];
  return {
    platform,
    path: `${directory}/${name}`,
    encoding: encoding as Encoding,
    contentBytes: Number(bytes),
    digest,
  };
}

/** @returns the name of the file */
async function make(
  directory: string,
  { platform, key, open }: RuntimeContent,
  signal: AbortSignal | undefined,
): Promise<string> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  using content = await open();
  try {
    const others = namesIn(directory);
    const file = new NewFile(directory);
    try {
      const encoding = platform.endsWith("/amd64") ? "folded" : "zstd";
      const bytes = readChunkAt(content.fd, 0, content.bytes);
      if (encoding === "folded") foldAddresses(bytes);
      const digest = await compress(bytes, file, signal);
      const name = `${key}-${digest}-${content.bytes}.${encoding}`;
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

/** Writes bytes as one zstd frame. @returns the SHA-256 of what was written, hex */
async function compress(bytes: Buffer, file: NewFile, signal: AbortSignal | undefined): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  let position = 0;
  await pipeline(
    Readable.from(piecesOf(bytes)),
    createZstdCompress({ params, pledgedSrcSize: bytes.length, chunkSize: PIECE }),
    async (made: AsyncIterable<Buffer>) => {
      for await (const piece of made) {
        hasher.update(piece);
        file.writeAt(piece, position);
        position += piece.length;
      }
    },
    { signal },
  );
  return hasher.digest("hex");
}

function* piecesOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += PIECE) yield bytes.subarray(at, at + PIECE);
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
