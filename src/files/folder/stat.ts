import { statAt } from "../../../ffi/files.ts";
import type { Attributes, Caller } from "../filesystem.ts";

export const TYPE = 0o170000;
export const REGULAR = 0o100000;
export const DIRECTORY = 0o040000;
export const LINK = 0o120000;
export const SET_GROUP_ID = 0o2000;
export const SET_ID_BITS = 0o6000;
export const PERMISSIONS = 0o7777;

/** Whose a file is, for the guest, and the set-id bits that it has only there. */
export interface Owner extends Caller {
  readonly setId: number;
}

/**
 * The number that a guest sees. Below a folder other filesystems can be mounted, whose numbers begin anew; programs
 * take two files of one device and number for one (hard links). So those of another device get high bits of it.
 *
 * @param root device of the volume's root
 */
export function inodeNumber(inode: bigint, device: bigint, root: bigint): bigint {
  return device === root ? inode : inode ^ (((device * 0x9e3779b1n) & 0x3ffn) << 42n);
}

/** What statx(2) said last: one buffer, used again. Offsets are those of `struct statx` (linux/stat.h). */
export class Stat {
  readonly #bytes = new Uint8Array(256);
  readonly #view = new DataView(this.#bytes.buffer);

  /**
   * Looks at what a descriptor names, or at a name in a directory.
   *
   * @returns 0, or the negative errno
   */
  read(fd: number, name?: string): number {
    return statAt(fd, name, this.#bytes);
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
  get mode(): number {
    return this.#view.getUint16(28, true);
  }
  get type(): number {
    return this.mode & TYPE;
  }
  get inode(): bigint {
    return this.#view.getBigUint64(32, true);
  }
  /** Milliseconds since the epoch at which the file was made; 0 where the filesystem does not say. */
  get bornAt(): number {
    return Number(this.#view.getBigInt64(80, true)) * 1000 + this.#view.getUint32(88, true) / 1e6;
  }
  /** Which file this is, on the whole host, as long as it is there. */
  get key(): string {
    return `${this.inode}:${this.#view.getUint32(136, true)}:${this.#view.getUint32(140, true)}`;
  }

  get device(): bigint {
    return (BigInt(this.#view.getUint32(136, true)) << 32n) | BigInt(this.#view.getUint32(140, true));
  }

  /** @param root device of the volume's root */
  attributes({ uid, gid, setId }: Owner, root: bigint): Attributes {
    const view = this.#view;
    const time = (at: number): bigint =>
      view.getBigInt64(at, true) * 1_000_000_000n + BigInt(view.getUint32(at + 8, true));
    return {
      inode: inodeNumber(this.inode, this.device, root),
      mode: this.mode | setId,
      links: this.links,
      uid,
      gid,
      size: Number(view.getBigUint64(40, true)),
      blocks: Number(view.getBigUint64(48, true)),
      blockSize: view.getUint32(4, true),
      accessedAt: time(64),
      modifiedAt: time(112),
      changedAt: time(96),
    };
  }
}
