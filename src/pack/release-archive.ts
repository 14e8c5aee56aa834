/** smolvm for hosts of other platforms, out of the archives of a release (build/release/). */
import { createReadStream, mkdirSync } from "node:fs";
import { basename } from "node:path";
import { SmolError } from "../errors.ts";
import { Decompressor } from "../image/blob/decompress.ts";
import { reusing } from "../image/blob/index.ts";
import { NewFile } from "../image/newfile.ts";
import { TarReader } from "../image/tar/index.ts";
import { version } from "../version.ts";
import { unreadable, unwritable } from "./failure.ts";
import { keptRuntime } from "./kept-runtime.ts";
import { limits } from "./limits.ts";
import { type RuntimeOptions, runtimesDirectory } from "./runtime.ts";
import type { RuntimeFile } from "./write.ts";

/** `smolvm-0.1.0-linux-arm64.tar.gz`: what `./dev release` makes, and a release has for download. */
const pattern = /^smolvm-(.+)-((?:linux|darwin)-(?:amd64|arm64))\.tar\.gz$/;

/** Where the two are in an archive's one folder. */
const PROGRAM = "bin/smolvm";
export const LAUNCHER = "lib/smolvm/launcher";

/** The launcher has 300 KB. */
const MOST_LAUNCHER_BYTES = 16 * 1024 * 1024;

/** An archive of a release, known by its name. */
export interface ReleaseArchive {
  readonly path: string;
  /** `linux/arm64`. */
  readonly platform: string;
  /** The folder in it. */
  readonly folder: string;
}

/**
 * What a file is by its name.
 *
 * @throws SmolError `pack.bad_archive` for another file, and for another version's: that could not read the pack
 */
export function releaseArchive(path: string): ReleaseArchive {
  const name = basename(path);
  const [, found, platform] = pattern.exec(name) ?? [];
  if (found === undefined || platform === undefined) {
    throw bad(path, "its name is not that of a release's archive", `smolvm-${version}-OS-ARCH.tar.gz is one`);
  }
  if (found !== version) throw bad(path, `it is of smolvm ${found}, and this is ${version}`);
  return { path, platform: platform.replace("-", "/"), folder: name.slice(0, -".tar.gz".length) };
}

/**
 * The runtime section for the hosts of an archive's platform, and the launcher for them. The archive is read once: what
 * is packed is what its key was made of, also when the file is replaced meanwhile.
 *
 * @returns `launcher`: undefined where there is none, as for macOS
 * @throws SmolError `pack.bad_archive`, `pack.not_found`, `pack.no_space`, `pack.unwritable`; the signal's reason
 */
export async function archivedRuntime(
  archive: ReleaseArchive,
  { cacheDir, signal, onWork }: RuntimeOptions,
): Promise<{ readonly runtime: RuntimeFile; readonly launcher: Uint8Array | undefined }> {
  const { platform } = archive;
  const directory = runtimesDirectory(cacheDir);
  const program = attempt(directory, () => {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return new NewFile(directory);
  });
  const write = (piece: Uint8Array, position: number) =>
    attempt(directory, () => program.writeAt(piece, position));
  try {
    const { key, bytes, launcher } = await readArchive(archive, write, signal);
    const open = async () => {
      onWork?.();
      return { fd: program.fd, bytes, [Symbol.dispose]: () => program.discard() };
    };
    return { runtime: await keptRuntime(directory, { platform, key, open }, signal), launcher };
  } finally {
    program.discard();
  }
}

interface Contents {
  /** Of the archive's name, which says the platform, and of its bytes. */
  readonly key: string;
  /** Of the program. */
  readonly bytes: number;
  readonly launcher: Uint8Array | undefined;
}

/** @param write gets the program, piece by piece */
async function readArchive(
  archive: ReleaseArchive,
  write: (piece: Uint8Array, position: number) => void,
  signal: AbortSignal | undefined,
): Promise<Contents> {
  const { path, folder } = archive;
  let bytes = 0;
  const launcher: Buffer[] = [];
  const wanted: readonly Member[] = [
    {
      name: PROGRAM,
      most: limits.runtimeBytes,
      take: (piece) => {
        write(piece, bytes);
        bytes += piece.length;
      },
    },
    { name: LAUNCHER, most: MOST_LAUNCHER_BYTES, take: (piece) => launcher.push(Buffer.from(piece)) },
  ];
  const hasher = new Bun.CryptoHasher("sha256");
  hasher.update(`${basename(path)}\0`);
  const found = await readMembers(archive, wanted, tee(piecesOf(path, signal), hasher));
  if (bytes === 0) throw bad(path, `there is no ${folder}/${PROGRAM} in it`);
  const key = hasher.digest("hex").slice(0, 16);
  return { key, bytes, launcher: found.has(LAUNCHER) ? Buffer.concat(launcher) : undefined };
}

interface Member {
  /** In the archive's one folder. */
  readonly name: string;
  /** Bytes; more are refused. */
  readonly most: number;
  /** Told the next bytes, which are valid during the call. */
  readonly take: (bytes: Uint8Array) => void;
}

/** @returns the names of those that the archive has as regular files, the first of each */
async function readMembers(
  { path, folder }: ReleaseArchive,
  wanted: readonly Member[],
  archive: AsyncIterable<Uint8Array>,
): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  let current: Member | undefined;
  const reader = new TarReader({
    entry: (entry) => {
      current = undefined;
      const member = wanted.find(({ name }) => entry.path === `${folder}/${name}` && !found.has(name));
      if (member === undefined || entry.type !== "file") return;
      if (entry.size > member.most || entry.runs !== undefined) throw bad(path, `its ${member.name} is none`);
      found.add(member.name);
      current = member;
    },
    data: (bytes) => current?.take(bytes),
    end: () => {},
  });
  const decompressor = new Decompressor(
    reusing((bytes) => reader.write(bytes)),
    path,
  );
  try {
    for await (const bytes of archive) decompressor.write(bytes);
    decompressor.finish();
    reader.finish();
    return found;
  } catch (error) {
    // Of an image's reader, which knows no packs.
    if (error instanceof SmolError && error.code.startsWith("image.") && error.code !== "image.no_space")
      throw bad(path, error.message);
    throw error;
  } finally {
    decompressor.close();
  }
}

async function* tee(pieces: AsyncIterable<Uint8Array>, hasher: Bun.CryptoHasher): AsyncGenerator<Uint8Array> {
  for await (const bytes of pieces) {
    hasher.update(bytes);
    yield bytes;
  }
}

/** Large enough to cost little, small enough to stop soon. */
const PIECE = 1024 * 1024;

async function* piecesOf(path: string, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  try {
    for await (const bytes of createReadStream(path, { highWaterMark: PIECE })) {
      signal?.throwIfAborted();
      yield bytes as Uint8Array;
    }
  } catch (error) {
    throw unreadable(path, error);
  }
}

function attempt<Result>(path: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    throw unwritable(path, error);
  }
}

function bad(path: string, why: string, hint?: string): SmolError {
  return new SmolError("pack.bad_archive", `${path} is no archive for --host: ${why}`, {
    hint: hint ?? "an archive of the release of this version has smolvm for hosts of its platform",
  });
}
