import { Statx } from "../../../ffi/file-layouts.ts";
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

/** What a file was when it was last looked at, in a volume's words. */
export class Stat extends Statx {
  get type(): number {
    return this.mode & TYPE;
  }
  /** Which file this is, on the whole host, as long as it is there. */
  get key(): string {
    return `${this.inode}:${this.device}`;
  }

  /** @param root device of the volume's root */
  attributes({ uid, gid, setId }: Owner, root: bigint): Attributes {
    return {
      inode: inodeNumber(this.inode, this.device, root),
      mode: this.mode | setId,
      links: this.links,
      uid,
      gid,
      size: this.size,
      blocks: this.blocks,
      blockSize: this.blockSize,
      accessedAt: this.accessedAt,
      modifiedAt: this.modifiedAt,
      changedAt: this.changedAt,
    };
  }
}
