import { statAt } from "../../ffi/files.ts";
import { must } from "../files/errno.ts";

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

const bytes = new Uint8Array(256);
const view = new DataView(bytes.buffer);
const SECOND = 1_000_000_000n;

const LAST_NS = (1n << 63n) - 1n;

/** The nearest time that 64 bits can say, of the years 1677 to 2262: filesystems and guests know times beyond. */
export const nearestTime = (ns: bigint): bigint => (ns > LAST_NS ? LAST_NS : ns < -LAST_NS ? -LAST_NS : ns);

const time = (at: number): bigint =>
  nearestTime(view.getBigInt64(at, true) * SECOND + BigInt(view.getUint32(at + 8, true)));

/** Of what a descriptor names, or of a name in a directory; no link is followed. @throws FileError */
export function statOf(fd: number, name?: string): Stat {
  must(statAt(fd, name, bytes));
  return parsed();
}

/** As `statOf`; undefined when there is nothing of that name. */
export function statIfThere(fd: number, name: string): Stat | undefined {
  const result = statAt(fd, name, bytes);
  if (result === -2) return undefined;
  must(result);
  return parsed();
}

function parsed(): Stat {
  const mode = view.getUint16(28, true);
  return {
    kind: kindOfMode(mode),
    mode,
    blockSize: view.getUint32(4, true),
    links: view.getUint32(16, true),
    uid: view.getUint32(20, true),
    gid: view.getUint32(24, true),
    inode: view.getBigUint64(32, true),
    size: Number(view.getBigUint64(40, true)),
    blocks: Number(view.getBigUint64(48, true)),
    accessed: time(64),
    changed: time(96),
    modified: time(112),
    device: (BigInt(view.getUint32(136, true)) << 32n) | BigInt(view.getUint32(140, true)),
  };
}

/** For utimensat(2). */
export const timesOf = (accessed: bigint, modified: bigint): BigInt64Array =>
  new BigInt64Array(
    [accessed, modified].flatMap((at) => {
      const fraction = ((at % SECOND) + SECOND) % SECOND;
      return [(at - fraction) / SECOND, fraction];
    }),
  );
