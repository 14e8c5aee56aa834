import { type Attributes, FileType, type FileTypeBits, type OpenTreeFile } from "../tree/index.ts";
import { TAR_BLOCK, TAR_END, type TarMember, tarHeader, tarPadding } from "./member.ts";

/** One member of a layer that is written (OCI image specification, layer.md). */
export interface LayerMember {
  /** Byte string without a slash at either end; empty: the root. */
  readonly path: string;
  /** A further name of the file at `target`; else what it is. */
  readonly type: FileTypeBits | "link";
  readonly target: string;
  readonly attributes: Attributes;
  readonly major: number;
  readonly minor: number;
  /** Of a regular file. */
  readonly size: number;
  readonly data: OpenTreeFile | undefined;
}

const types: Readonly<Record<LayerMember["type"], string>> = {
  [FileType.regular]: "0",
  link: "1",
  [FileType.symlink]: "2",
  [FileType.character]: "3",
  [FileType.block]: "4",
  [FileType.directory]: "5",
  [FileType.fifo]: "6",
  // Never written: archives have no sockets.
  [FileType.socket]: "",
};

const CHUNK = 1024 * 1024;
/** Holes below this are written as zeros: not every tool that unpacks layers knows sparse files. */
const LEAST_HOLE = 1024 * 1024;

/**
 * Writes an archive of members, in their order. The same members give the same bytes. Files with large holes are in GNU
 * tar's PAX format 1.0, which Go's archive/tar, and so docker, podman and containerd, read.
 */
export async function* writeLayerTar(
  members: Iterable<LayerMember> | AsyncIterable<LayerMember>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const member of members) {
    const { type, data, size } = member;
    const header = headerOf(member);
    if (type !== FileType.regular || data === undefined) {
      yield tarHeader(header);
      continue;
    }
    const stored = data.runs.reduce((sum, { length }) => sum + length, 0);
    if (size - stored >= LEAST_HOLE) yield* sparse(header, data, stored);
    else yield* plain(header, data);
  }
  yield TAR_END;
}

function headerOf({ path, type, target, attributes, major, minor, size }: LayerMember): TarMember {
  const { permissions: mode, uid, gid, seconds, nanoseconds, xattrs } = attributes;
  const name = type === FileType.directory ? `${path === "" ? "." : path}/` : path;
  return {
    ...{ type: types[type], name, target, mode, uid, gid, size, nanoseconds, major, minor },
    seconds: BigInt(seconds),
    records: xattrs
      .map(({ name, value }) => [`SCHILY.xattr.${name}`, Buffer.from(value).toString("latin1")] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  };
}

function* plain(header: TarMember, data: OpenTreeFile): Generator<Uint8Array, void, undefined> {
  yield tarHeader(header);
  let done = 0;
  for (const run of data.runs) {
    yield* zeros(run.offset - done);
    yield* bytesOf(data, run);
    done = run.offset + run.length;
  }
  yield* zeros(header.size - done + tarPadding(header.size));
}

/** The map stands before the data: decimal numbers, one a line, padded to a block. */
function* sparse(
  header: TarMember,
  data: OpenTreeFile,
  stored: number,
): Generator<Uint8Array, void, undefined> {
  const { name, size, records = [] } = header;
  // A map that does not reach the end of the file would make it shorter for some.
  const last = data.runs.at(-1);
  const ends = last !== undefined && last.offset + last.length === size;
  const runs = ends ? data.runs : [...data.runs, { offset: size, length: 0 }];
  const numbers = [runs.length, ...runs.flatMap(({ offset, length }) => [offset, length])];
  const text = Buffer.from(`${numbers.join("\n")}\n`, "latin1");
  const map = Buffer.concat([text, Buffer.alloc(tarPadding(text.length))]);
  const slash = name.lastIndexOf("/") + 1;
  yield tarHeader({
    ...header,
    name: `${name.slice(0, slash)}GNUSparseFile.0/${name.slice(slash)}`,
    size: map.length + stored,
    records: [
      ["GNU.sparse.major", "1"],
      ["GNU.sparse.minor", "0"],
      ["GNU.sparse.name", name],
      ["GNU.sparse.realsize", String(size)],
      ...records,
    ],
  });
  yield map;
  for (const run of data.runs) yield* bytesOf(data, run);
  yield* zeros(tarPadding(stored));
}

function* bytesOf(
  data: OpenTreeFile,
  { offset, length }: { readonly offset: number; readonly length: number },
): Generator<Uint8Array, void, undefined> {
  for (let done = 0; done < length; done += CHUNK) {
    yield data.read(offset + done, Math.min(CHUNK, length - done));
  }
}

const ZEROS = Buffer.alloc(128 * TAR_BLOCK);

function* zeros(length: number): Generator<Uint8Array, void, undefined> {
  for (let left = length; left > 0; left -= ZEROS.length)
    yield ZEROS.subarray(0, Math.min(left, ZEROS.length));
}
