import { Statx } from "../../ffi/file-layouts.ts";
import { Errno, must } from "../files/errno.ts";

/** What a name can stand for. A device and whatever else there is are `other`. */
export type Kind = "file" | "directory" | "symlink" | "fifo" | "socket" | "other";

/** What statx(2) says, as far as a workspace looks. Times are nanoseconds since the epoch, sizes bytes. */
export interface Stat {
  readonly kind: Kind;
  /** Type and permission bits. */
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  readonly device: bigint;
  readonly inode: bigint;
  readonly size: number;
  /** Of 512 bytes. */
  readonly blocks: number;
  readonly blockSize: number;
  readonly accessed: bigint;
  readonly modified: bigint;
  readonly changed: bigint;
}

export const TYPE_BITS = 0o170000;
export const PERMISSION_BITS = 0o7777;

/** `S_IFMT` of stat(2). */
export const TypeBits: Readonly<Record<Kind, number>> = {
  file: 0o100000,
  directory: 0o040000,
  symlink: 0o120000,
  fifo: 0o010000,
  socket: 0o140000,
  other: 0,
};

const kinds = new Map<number, Kind>(
  (Object.entries(TypeBits) as [Kind, number][]).map(([kind, bits]) => [bits, kind]),
);

/** `DT_*` of dirent.h. */
export const directoryType = (kind: Kind): number => TypeBits[kind] >> 12;

export const kindOfMode = (mode: number): Kind => kinds.get(mode & TYPE_BITS) ?? "other";

const LAST_NS = (1n << 63n) - 1n;

/** The nearest time that 64 bits can say, of the years 1677 to 2262: filesystems and guests know times beyond. */
export const nearestTime = (ns: bigint): bigint => (ns > LAST_NS ? LAST_NS : ns < -LAST_NS ? -LAST_NS : ns);

const statx = new Statx();

/** Of what a descriptor names, or of a name in a directory; no link is followed. @throws FileError */
export function statOf(fd: number, name?: string): Stat {
  must(statx.read(fd, name));
  return seen();
}

/** As `statOf`; undefined when there is nothing of that name. */
export function statIfThere(fd: number, name: string): Stat | undefined {
  const result = statx.read(fd, name);
  if (result === -Errno.ENOENT) return undefined;
  must(result);
  return seen();
}

function seen(): Stat {
  const { mode, links, uid, gid, device, inode, size, blocks, blockSize } = statx;
  return {
    ...{ kind: kindOfMode(mode), mode, links, uid, gid, device, inode, size, blocks, blockSize },
    accessed: nearestTime(statx.accessedAt),
    modified: nearestTime(statx.modifiedAt),
    changed: nearestTime(statx.changedAt),
  };
}
