import type { BigIntStats } from "node:fs";
import { errnoOf, SmolError } from "../../errors.ts";
import { type LayerRecorder, type RecordedEntry, storable } from "../layer/index.ts";
import { limits } from "../limits.ts";
import type { SparseRun } from "../tar/index.ts";
import { type Attributes, FileType, printable } from "../tree/index.ts";
import { Turns } from "../turns.ts";
import type { ImageProgress } from "../types.ts";
import { FileSource } from "./file-source.ts";
import { OpenDirectory } from "./open-directory.ts";
import { unreadable } from "./unreadable.ts";
import { readXattrs } from "./xattr.ts";

export interface WalkOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((event: ImageProgress) => void) | undefined;
}

/** Up to this size, reading at once is faster than asking a thread to do it. */
const SMALL = 256 * 1024;

interface Walk extends WalkOptions {
  /** The directory as the user named it, for errors. */
  readonly base: string;
  readonly recorder: LayerRecorder;
  /** Device of the root: other filesystems mounted below it are left out. */
  readonly device: bigint;
  /** First names of files with several, by device and number. */
  readonly linked: Map<string, string>;
  /** Digest of all that was recorded. */
  readonly digest: Bun.CryptoHasher;
  files: number;
  bytes: number;
  /** Small files are read and written without waiting for anything. */
  readonly turns: Turns;
}

/**
 * Records a directory of the host as the one layer of an image: owners, modes, times and attributes as they are on
 * disk. Symbolic links are copied, never followed; what is mounted inside is left out, its mount point stays as an
 * empty directory.
 *
 * @returns the digest of everything that was recorded.
 * @throws SmolError when a file cannot be read, or changes while it is read.
 */
export async function readRootDirectory(
  path: string,
  recorder: LayerRecorder,
  options: WalkOptions,
): Promise<string> {
  const directory = openRoot(path);
  const root = directory.stat(".");
  const walk: Walk = {
    ...options,
    base: path,
    recorder,
    device: root.dev,
    linked: new Map(),
    digest: new Bun.CryptoHasher("sha256"),
    files: 0,
    bytes: 0,
    turns: new Turns(),
  };
  try {
    const attributes = attributesOf(root, directory, ".");
    record(walk, { ...nothing, path: "/", type: "directory", attributes }, 0);
  } catch (error) {
    directory.close();
    throw error;
  }
  recorder.end();
  await copyDirectory(walk, directory, "", 0);
  return `sha256:${walk.digest.digest("hex")}`;
}

function openRoot(path: string): OpenDirectory {
  try {
    return OpenDirectory.open(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** Copies what is in a directory, and closes it. */
async function copyDirectory(
  walk: Walk,
  directory: OpenDirectory,
  path: string,
  depth: number,
): Promise<void> {
  try {
    if (depth > limits.depth) {
      throw new SmolError(
        "image.limit",
        `directories are nested deeper than ${limits.depth}: ${printable(path)}`,
      );
    }
    for (const name of attempt(walk, path, () => directory.names())) {
      await walk.turns.give();
      walk.signal?.throwIfAborted();
      const childPath = `${path}/${name}`;
      const stat = attempt(walk, childPath, () => directory.stat(name));
      await copyEntry(walk, directory, name, childPath, stat, depth);
      if (++walk.files > limits.entries) {
        throw new SmolError("image.limit", `the directory holds more than ${limits.entries} files`);
      }
    }
    walk.onProgress?.({ kind: "directory", files: walk.files, bytes: walk.bytes });
  } finally {
    directory.close();
  }
}

const types: Record<number, Exclude<RecordedEntry["type"], "link">> = {
  [FileType.fifo]: "fifo",
  [FileType.character]: "character",
  [FileType.directory]: "directory",
  [FileType.block]: "block",
  [FileType.regular]: "file",
  [FileType.symlink]: "symlink",
  [FileType.socket]: "socket",
};

const nothing = { size: 0, target: "", major: 0, minor: 0, runs: undefined } as const;

async function copyEntry(
  walk: Walk,
  directory: OpenDirectory,
  name: string,
  path: string,
  stat: BigIntStats,
  depth: number,
): Promise<void> {
  const type = types[Number(stat.mode) & 0o170000];
  if (type === undefined)
    throw new SmolError("image.unreadable", `${walk.base}${printable(path)} has no type`);
  const identity = stat.nlink > 1n && type !== "directory" ? `${stat.dev}:${stat.ino}` : undefined;
  const known = identity === undefined ? undefined : walk.linked.get(identity);
  const attributes = attempt(walk, path, () => attributesOf(stat, directory, name));
  if (known !== undefined) {
    walk.recorder.entry({ ...nothing, path, type: "link", target: known, attributes });
    walk.recorder.end();
    walk.digest.update(Buffer.from(`${path}\0link\0${known}\0`, "latin1"));
    return;
  }
  const target = type === "symlink" ? attempt(walk, path, () => directory.readLink(name)) : "";
  const isDevice = type === "character" || type === "block";
  const device = isDevice ? decodeDevice(stat.rdev) : { major: 0, minor: 0 };
  const entry = { ...nothing, ...device, path, type, target, attributes };
  if (type === "file") await copyFile(walk, directory, name, entry, stat);
  else {
    record(walk, entry, Number(stat.size));
    walk.recorder.end();
  }
  if (identity !== undefined) walk.linked.set(identity, path);
  if (type === "directory" && stat.dev === walk.device) {
    const child = attempt(walk, path, () => directory.openDirectory(name));
    await copyDirectory(walk, child, path, depth + 1);
  }
}

async function copyFile(
  walk: Walk,
  directory: OpenDirectory,
  name: string,
  entry: RecordedEntry,
  stat: BigIntStats,
): Promise<void> {
  const { recorder } = walk;
  const { path } = entry;
  const file = new FileSource(
    path,
    attempt(walk, path, () => directory.openFile(name)),
  );
  try {
    const size = Number(stat.size);
    // The name may lead to another file by now.
    if (file.size !== size) throw changed(walk, path);
    const runs = stat.blocks * 512n < stat.size ? await dataRuns(file) : undefined;
    record(walk, { ...entry, size, runs }, size);
    for (const run of runs ?? [{ offset: 0, length: size }]) {
      walk.digest.update(`${run.offset} ${run.length}\0`);
      const chunks =
        run.length <= SMALL ? [file.readNow(run.offset, run.length)] : file.read(run.offset, run.length);
      for await (const chunk of chunks) {
        walk.digest.update(chunk);
        walk.bytes += chunk.length;
        recorder.data(chunk);
      }
    }
    recorder.end();
    if (walk.bytes > limits.totalBytes) {
      throw new SmolError("image.limit", `the directory's files have more than ${limits.totalBytes} bytes`);
    }
  } finally {
    file.close();
  }
}

/** The parts of a sparse file that hold data; undefined when there are too many to be worth it. */
async function dataRuns(file: FileSource): Promise<SparseRun[] | undefined> {
  const { seekSparse } = await import("../../../ffi/libc.ts");
  const runs: SparseRun[] = [];
  for (let at = 0; at < file.size; ) {
    const start = seekSparse(file.fd, at, "data");
    if (start === undefined || start >= file.size) break;
    const end = Math.min(seekSparse(file.fd, start, "hole") ?? file.size, file.size);
    runs.push({ offset: start, length: end - start });
    if (runs.length > 100_000) return undefined;
    at = end;
  }
  return runs;
}

function attributesOf(stat: BigIntStats, directory: OpenDirectory, name: string): Attributes {
  const seconds = floorDiv(stat.mtimeNs, 1_000_000_000n);
  return storable({
    permissions: Number(stat.mode) & 0o7777,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    seconds: Number(seconds),
    nanoseconds: Number(stat.mtimeNs - seconds * 1_000_000_000n),
    xattrs: readXattrs(directory.pathOf(name)),
  });
}

const floorDiv = (value: bigint, by: bigint) => (value >= 0n ? value / by : -((-value + by - 1n) / by));

/** gnu_dev_major and gnu_dev_minor of the C library. */
function decodeDevice(device: bigint): { major: number; minor: number } {
  return {
    major: Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn)),
    minor: Number((device & 0xffn) | ((device >> 12n) & ~0xffn)),
  };
}

/** Records an entry, and adds what is known of it to the digest. */
function record(walk: Walk, entry: RecordedEntry, size: number): void {
  walk.recorder.entry(entry);
  const { path, type, attributes, target, major, minor } = entry;
  const { permissions, uid, gid, seconds, nanoseconds, xattrs } = attributes;
  const fields = [type, permissions, uid, gid, seconds, nanoseconds, size, major, minor];
  walk.digest.update(Buffer.from(`${path}\0${fields.join(" ")}\0${target}\0`, "latin1"));
  for (const { name, value } of xattrs) {
    walk.digest.update(Buffer.from(`${name}\0${value.length}\0`, "latin1"));
    walk.digest.update(value);
  }
}

function attempt<Result>(walk: Walk, path: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    if (error instanceof SmolError) throw error;
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ELOOP") throw changed(walk, path);
    throw unreadable(`${walk.base}${printable(path)}`, error);
  }
}

const changed = (walk: Walk, path: string) =>
  new SmolError("image.unreadable", `${walk.base}${printable(path)} changed while it was read`);
