/** smolvm for hosts of other platforms, out of the archives of a release (build/release/). */
import { createReadStream } from "node:fs";
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
 * The runtime section for the hosts of an archive's platform, and the launcher for them.
 *
 * @returns `launcher`: undefined where there is none, as for macOS
 * @throws SmolError `pack.bad_archive`, `pack.not_found`, `pack.no_space`, `pack.unwritable`; the signal's reason
 */
export async function archivedRuntime(
  archive: ReleaseArchive,
  { cacheDir, signal, onWork }: RuntimeOptions,
): Promise<{ readonly runtime: RuntimeFile; readonly launcher: Uint8Array | undefined }> {
  const { path, platform } = archive;
  const directory = runtimesDirectory(cacheDir);
  const launcher: Buffer[] = [];
  const found = await readMember(archive, LAUNCHER, {
    most: MOST_LAUNCHER_BYTES,
    take: (bytes) => launcher.push(Buffer.from(bytes)),
    signal,
  });
  const open = async () => {
    onWork?.();
    return await unpackProgram(archive, directory, signal);
  };
  const runtime = await keptRuntime(directory, { platform, key: await keyOf(path, signal), open }, signal);
  return { runtime, launcher: found ? Buffer.concat(launcher) : undefined };
}

/** The program in a file without a name. */
async function unpackProgram(archive: ReleaseArchive, directory: string, signal: AbortSignal | undefined) {
  const file = attempt(directory, () => new NewFile(directory));
  try {
    let bytes = 0;
    const take = (piece: Uint8Array) => {
      attempt(directory, () => file.writeAt(piece, bytes));
      bytes += piece.length;
    };
    const found = await readMember(archive, PROGRAM, { most: limits.runtimeBytes, take, signal });
    if (!found || bytes === 0) throw bad(archive.path, `there is no ${archive.folder}/${PROGRAM} in it`);
    return { fd: file.fd, bytes, [Symbol.dispose]: () => file.discard() };
  } catch (error) {
    file.discard();
    throw error;
  }
}

interface MemberOptions {
  /** Bytes; more are refused. */
  readonly most: number;
  /** Told the next bytes, which are valid during the call. */
  readonly take: (bytes: Uint8Array) => void;
  readonly signal: AbortSignal | undefined;
}

/** @returns whether the archive has a regular file of that path in its folder */
async function readMember(
  { path, folder }: ReleaseArchive,
  name: string,
  { most, take, signal }: MemberOptions,
): Promise<boolean> {
  let isIt = false;
  let isFound = false;
  const reader = new TarReader({
    entry: (entry) => {
      isIt = !isFound && entry.type === "file" && entry.path === `${folder}/${name}`;
      if (isIt && (entry.size > most || entry.runs !== undefined)) throw bad(path, `its ${name} is none`);
      isFound ||= isIt;
    },
    data: (bytes) => {
      if (isIt) take(bytes);
    },
    end: () => {},
  });
  const decompressor = new Decompressor(
    reusing((bytes) => reader.write(bytes)),
    path,
  );
  try {
    for await (const bytes of piecesOf(path, signal)) decompressor.write(bytes);
    decompressor.finish();
    reader.finish();
    return isFound;
  } catch (error) {
    // Of an image's reader, which knows no packs.
    if (error instanceof SmolError && error.code.startsWith("image.") && error.code !== "image.no_space")
      throw bad(path, error.message);
    throw error;
  } finally {
    decompressor.close();
  }
}

/** Of the name, which says the platform, and of the bytes. */
async function keyOf(path: string, signal: AbortSignal | undefined): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  hasher.update(`${basename(path)}\0`);
  for await (const bytes of piecesOf(path, signal)) hasher.update(bytes);
  return hasher.digest("hex").slice(0, 16);
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
