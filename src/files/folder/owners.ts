import { changeOwner, getAttribute, getAttributeAt, setAttribute } from "../../../ffi/files.ts";
import { Errno, must, refuse } from "../errno.ts";
import type { Caller } from "../filesystem.ts";
import type { Access } from "./access.ts";
import { DIRECTORY, REGULAR, type Stat } from "./stat.ts";

/** Whose files are whose, for the guest. `stat` is what was seen last of the file that is meant. */
export interface Owners {
  /** @param fd the file, or with `name` the directory that it is in */
  shown(fd: number, name: string | undefined): Caller;
  /** A new file, which is its maker's from now on. `uid` and `gid` undefined: it stays what the host made it. */
  made(fd: number, uid: number | undefined, gid: number | undefined): void;
  /** Gives a file to others; undefined leaves an id as it is. */
  change(fd: number, uid: number | undefined, gid: number | undefined): void;
}

/** smolvm runs as root: the numbers are the host's. */
export class SameOwners implements Owners {
  readonly #stat: Stat;

  constructor(stat: Stat) {
    this.#stat = stat;
  }

  shown(): Caller {
    return { uid: this.#stat.uid, gid: this.#stat.gid };
  }

  made(fd: number, uid: number | undefined, gid: number | undefined): void {
    if (must(this.#stat.read(fd)) === 0 && uid === this.#stat.uid && gid === this.#stat.gid) return;
    if (uid !== undefined || gid !== undefined) this.change(fd, uid, gid);
  }

  change(fd: number, uid: number | undefined, gid: number | undefined): void {
    must(changeOwner(fd, uid ?? -1, gid ?? -1));
  }
}

/** Where an owner is kept that the host's user cannot give a file: `uid:gid`. No guest reads or writes it. */
const ATTRIBUTE = "user.smolvm.owner";

/** What nobody in the guest is: files of other users of the host. */
const NOBODY = 65534;

/** Owners that no attribute can hold: of links, FIFOs and sockets, and on filesystems without attributes. */
const MAX_REMEMBERED = 65_536;

/**
 * smolvm runs as a user: what is this user's belongs to root of the guest, what is others' to nobody. Another owner
 * that the guest gives a file is an attribute of it, so that it is still the owner at the next start.
 */
export class UserOwners implements Owners {
  readonly #uid: number;
  readonly #gid: number;
  readonly #stat: Stat;
  readonly #access: Access;
  readonly #value = new Uint8Array(32);
  readonly #remembered = new Map<string, Caller>();

  constructor(uid: number, gid: number, stat: Stat, access: Access) {
    this.#uid = uid;
    this.#gid = gid;
    this.#stat = stat;
    this.#access = access;
  }

  shown(fd: number, name: string | undefined): Caller {
    const { uid, gid } = this.#stat;
    if (uid !== this.#uid) return { uid: NOBODY, gid: gid === this.#gid ? 0 : NOBODY };
    return this.#kept(fd, name) ?? { uid: 0, gid: gid === this.#gid ? 0 : NOBODY };
  }

  made(fd: number, uid: number | undefined, gid: number | undefined): void {
    must(this.#stat.read(fd));
    // The number may have been another file's.
    this.#remembered.delete(this.#stat.key);
    if ((uid ?? 0) !== 0 || (gid ?? 0) !== 0) this.change(fd, uid, gid);
  }

  change(fd: number, uid: number | undefined, gid: number | undefined): void {
    must(this.#stat.read(fd));
    if (this.#stat.uid !== this.#uid) refuse(Errno.EPERM);
    const before = this.shown(fd, undefined);
    const owner = { uid: uid ?? before.uid, gid: gid ?? before.gid };
    const { key } = this.#stat;
    if (this.#hasAttributes()) {
      const value = Buffer.from(`${owner.uid}:${owner.gid}`);
      const result = this.#access.onFile(fd, () => setAttribute(fd, ATTRIBUTE, value, 0));
      if (result === 0) {
        this.#remembered.delete(key);
        return;
      }
      if (result !== -Errno.EOPNOTSUPP && result !== -Errno.EPERM) refuse(-result);
    }
    if (this.#remembered.size >= MAX_REMEMBERED && !this.#remembered.has(key)) refuse(Errno.ENOSPC);
    this.#remembered.set(key, owner);
  }

  #kept(fd: number, name: string | undefined): Caller | undefined {
    const remembered = this.#remembered.get(this.#stat.key);
    if (remembered !== undefined || !this.#hasAttributes()) return remembered;
    const length =
      name === undefined
        ? getAttribute(fd, ATTRIBUTE, this.#value)
        : getAttributeAt(fd, name, ATTRIBUTE, this.#value);
    if (length <= 0) return undefined;
    const text = Buffer.from(this.#value.subarray(0, length)).toString("latin1");
    const [, uid, gid] = /^(\d{1,10}):(\d{1,10})$/.exec(text) ?? [];
    if (uid === undefined || gid === undefined) return undefined;
    return { uid: Number(uid) >>> 0, gid: Number(gid) >>> 0 };
  }

  #hasAttributes(): boolean {
    return this.#stat.type === REGULAR || this.#stat.type === DIRECTORY;
  }
}
