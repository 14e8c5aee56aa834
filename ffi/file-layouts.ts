/** What Linux's calls about files write into buffers and read from them, on 64-bit machines with little endians. */
import { statAt } from "./files.ts";

const SECOND = 1_000_000_000n;

/** What statx(2) said last: one buffer, used again. Offsets are those of `struct statx` (linux/stat.h). */
export class Statx {
  readonly #bytes = new Uint8Array(256);
  readonly #view = new DataView(this.#bytes.buffer);

  /**
   * Looks at what a descriptor names, or at a name in a directory; no link is followed.
   *
   * @returns 0, or the negative errno
   */
  read(fd: number, name?: string): number {
    return statAt(fd, name, this.#bytes);
  }

  get blockSize(): number {
    return this.#view.getUint32(4, true);
  }
  get links(): number {
    return this.#view.getUint32(16, true);
  }
  get uid(): number {
    return this.#view.getUint32(20, true);
  }
  get gid(): number {
    return this.#view.getUint32(24, true);
  }
  /** Type and permission bits. */
  get mode(): number {
    return this.#view.getUint16(28, true);
  }
  get inode(): bigint {
    return this.#view.getBigUint64(32, true);
  }
  /** Bytes. */
  get size(): number {
    return Number(this.#view.getBigUint64(40, true));
  }
  /** Of 512 bytes. */
  get blocks(): number {
    return Number(this.#view.getBigUint64(48, true));
  }
  /** Major number in the upper half, minor in the lower. */
  get device(): bigint {
    return (BigInt(this.#view.getUint32(136, true)) << 32n) | BigInt(this.#view.getUint32(140, true));
  }

  /** Nanoseconds since the epoch, of any year: more than 64 bits may be needed. */
  get accessedAt(): bigint {
    return this.#time(64);
  }
  get modifiedAt(): bigint {
    return this.#time(112);
  }
  /** The last change of status. */
  get changedAt(): bigint {
    return this.#time(96);
  }
  /** When the file was made; 0 where the filesystem does not say. */
  get bornAt(): bigint {
    return this.#time(80);
  }

  #time(at: number): bigint {
    return this.#view.getBigInt64(at, true) * SECOND + BigInt(this.#view.getUint32(at + 8, true));
  }
}

/** A moment for a file: nanoseconds since the epoch, the host's time, or what it has. */
export type FileTime = bigint | "now" | undefined;

/** `tv_nsec` of utimensat(2): the time is now, or stays. */
const NOW = 0x3fffffffn;
const OMIT = 0x3ffffffen;

/** Two `struct timespec` for utimensat(2): the last access, then the last change. */
export function timespecs(accessedAt: FileTime, modifiedAt: FileTime): BigInt64Array {
  return new BigInt64Array([accessedAt, modifiedAt].flatMap(timespec));
}

function timespec(time: FileTime): [seconds: bigint, nanoseconds: bigint] {
  if (time === undefined) return [0n, OMIT];
  if (time === "now") return [0n, NOW];
  const fraction = ((time % SECOND) + SECOND) % SECOND;
  return [(time - fraction) / SECOND, fraction];
}

/** `struct linux_dirent64` of getdents64(2). */
export interface Dirent {
  /** A character for each byte. */
  readonly name: string;
  readonly inode: bigint;
  /** `DT_*` of dirent.h; 0 when it is not known. */
  readonly type: number;
  /** Where to go on behind it, for lseek(2). */
  readonly next: bigint;
}

/** The entries that `readEntries` has written into the first `length` bytes. */
export function* direntsIn(bytes: Buffer, length: number): Generator<Dirent, void, void> {
  for (let at = 0; at < length; at += bytes.readUInt16LE(at + 16))
    yield {
      inode: bytes.readBigUInt64LE(at),
      next: bytes.readBigUInt64LE(at + 8),
      type: bytes.readUInt8(at + 18),
      name: bytes.toString("latin1", at + 19, bytes.indexOf(0, at + 19)),
    };
}
