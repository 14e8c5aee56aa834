import {
  changeMode,
  changeOwner,
  closeDescriptor,
  getAttribute,
  getAttributeAt,
  OpenFlag,
  openAt,
  setAttribute,
} from "../../../ffi/files.ts";
import { Errno, must, refuse } from "../errno.ts";
import type { Caller } from "../filesystem.ts";
import type { Access } from "./access.ts";
import { DIRECTORY, type Owner, PERMISSIONS, REGULAR, SET_GROUP_ID, SET_ID_BITS, type Stat } from "./stat.ts";

/** Whose files are whose, for the guest. `stat` is what was seen last of the file that is meant. */
export interface Owners {
  /** @param fd the file, or with `name` the directory that it is in */
  shown(fd: number, name: string | undefined): Owner;
  /** A new file, which is its maker's from now on. `uid` and `gid` undefined: it stays what the host made it. */
  made(fd: number, uid: number | undefined, gid: number | undefined): void;
  /** Gives a file to others; undefined leaves an id as it is. */
  change(fd: number, uid: number | undefined, gid: number | undefined): void;
  /** Gives a file permission bits. */
  changeMode(fd: number, mode: number): void;
  /** Does what takes a name from a file: nothing is remembered of one that has no other. */
  losing(directory: number, name: string, task: () => number): number;
}

/** smolvm runs as root: the numbers are the host's. */
export class SameOwners implements Owners {
  readonly #stat: Stat;

  constructor(stat: Stat) {
    this.#stat = stat;
  }

  shown(): Owner {
    return { uid: this.#stat.uid, gid: this.#stat.gid, setId: 0 };
  }

  made(fd: number, uid: number | undefined, gid: number | undefined): void {
    if (must(this.#stat.read(fd)) === 0 && uid === this.#stat.uid && gid === this.#stat.gid) return;
    if (uid !== undefined || gid !== undefined) this.change(fd, uid, gid);
  }

  change(fd: number, uid: number | undefined, gid: number | undefined): void {
    must(changeOwner(fd, uid ?? -1, gid ?? -1));
  }

  changeMode(fd: number, mode: number): void {
    must(changeMode(fd, mode));
  }

  losing(_directory: number, _name: string, task: () => number): number {
    return task();
  }
}

/**
 * What the host's user cannot give a file, or should not: `uid:gid`, and set-id bits (octal), of a regular file. On the
 * host those would run what the guest wrote as this user, for everybody. No guest reads or writes the attribute.
 */
const ATTRIBUTE = "user.smolvm.owner";
const FORMAT = /^(\d{1,10}):(\d{1,10})(?::([246]000))?$/;

/** What nobody in the guest is: files of other users of the host. */
const NOBODY = 65534;

/** Owners that no attribute can hold (of links, FIFOs and sockets, and on filesystems without attributes): the last. */
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
  readonly #remembered = new Map<string, Owner>();
  readonly #most: number;

  /** @param most how many owners are remembered that no attribute can hold */
  constructor(uid: number, gid: number, stat: Stat, access: Access, most = MAX_REMEMBERED) {
    this.#uid = uid;
    this.#gid = gid;
    this.#stat = stat;
    this.#access = access;
    this.#most = most;
  }

  /** How many owners are remembered. */
  get remembered(): number {
    return this.#remembered.size;
  }

  shown(fd: number, name: string | undefined): Owner {
    const group = this.#stat.gid === this.#gid ? 0 : NOBODY;
    if (this.#stat.uid !== this.#uid) return { uid: NOBODY, gid: group, setId: 0 };
    return this.#kept(fd, name) ?? { uid: 0, gid: group, setId: 0 };
  }

  made(fd: number, uid: number | undefined, gid: number | undefined): void {
    must(this.#stat.read(fd));
    this.#remembered.delete(this.#key);
    if ((uid ?? 0) !== 0 || (gid ?? 0) !== 0) this.change(fd, uid, gid);
  }

  change(fd: number, uid: number | undefined, gid: number | undefined): void {
    must(this.#stat.read(fd));
    if (this.#stat.uid !== this.#uid) refuse(Errno.EPERM);
    const before = this.shown(fd, undefined);
    this.#keep(fd, { ...before, uid: uid ?? before.uid, gid: gid ?? before.gid });
  }

  changeMode(fd: number, mode: number): void {
    must(this.#stat.read(fd));
    if (this.#stat.type !== REGULAR) {
      must(changeMode(fd, mode));
      return;
    }
    must(changeMode(fd, mode & ~SET_ID_BITS));
    const before = this.shown(fd, undefined);
    const setId = mode & SET_ID_BITS;
    if (before.setId !== setId) this.#keep(fd, { ...before, setId });
  }

  losing(directory: number, name: string, task: () => number): number {
    const isLast =
      this.#remembered.size > 0 && this.#stat.read(directory, name) === 0 && this.#stat.links === 1;
    const key = isLast ? this.#key : undefined;
    const result = task();
    if (key !== undefined && result === 0) this.#remembered.delete(key);
    return result;
  }

  /** A number comes back for another file; when that was made differs. */
  get #key(): string {
    return `${this.#stat.key}:${this.#stat.bornAt}`;
  }

  #keep(fd: number, owner: Owner): void {
    const key = this.#key;
    if (this.#hasAttributes()) {
      const { uid, gid, setId } = owner;
      const value = Buffer.from(`${uid}:${gid}${setId === 0 ? "" : `:${setId.toString(8)}`}`);
      const result = this.#access.onFile(fd, () => setAttribute(fd, ATTRIBUTE, value, 0));
      if (result === 0) {
        this.#remembered.delete(key);
        return;
      }
      if (result !== -Errno.EOPNOTSUPP && result !== -Errno.EPERM) refuse(-result);
    }
    this.#remember(key, owner);
  }

  #remember(key: string, owner: Owner): void {
    this.#remembered.delete(key);
    this.#remembered.set(key, owner);
    if (this.#remembered.size <= this.#most) return;
    for (const oldest of this.#remembered.keys()) {
      this.#remembered.delete(oldest);
      return;
    }
  }

  #kept(fd: number, name: string | undefined): Owner | undefined {
    if (this.#remembered.size > 0) {
      const remembered = this.#remembered.get(this.#key);
      if (remembered !== undefined) return remembered;
    }
    if (!this.#hasAttributes()) return undefined;
    const length =
      name === undefined
        ? getAttribute(fd, ATTRIBUTE, this.#value)
        : this.#access.inDirectory(fd, () => getAttributeAt(fd, name, ATTRIBUTE, this.#value));
    if (length !== -Errno.EACCES) return this.#parsed(length);
    // Its owner may not read it. Once is enough: each time, its mode is another for a moment.
    const owner = this.#parsed(this.#readAnyway(fd, name));
    const group = this.#stat.gid === this.#gid ? 0 : NOBODY;
    this.#remember(this.#key, owner ?? { uid: 0, gid: group, setId: 0 });
    return owner;
  }

  #readAnyway(fd: number, name: string | undefined): number {
    const read = (file: number): number =>
      this.#access.onFile(file, () => getAttribute(file, ATTRIBUTE, this.#value));
    if (name === undefined) return read(fd);
    const flags = OpenFlag.pathOnly | OpenFlag.noFollow;
    const file = this.#access.inDirectory(fd, () => openAt(fd, name, flags));
    if (file < 0) return file;
    try {
      return read(file);
    } finally {
      closeDescriptor(file);
    }
  }

  #parsed(length: number): Owner | undefined {
    if (length <= 0) return undefined;
    const text = Buffer.from(this.#value.subarray(0, length)).toString("latin1");
    const [, uid, gid, setId] = FORMAT.exec(text) ?? [];
    if (uid === undefined || gid === undefined) return undefined;
    return { uid: Number(uid) >>> 0, gid: Number(gid) >>> 0, setId: Number.parseInt(setId ?? "0", 8) };
  }

  #hasAttributes(): boolean {
    return this.#stat.type === REGULAR || this.#stat.type === DIRECTORY;
  }
}

/**
 * What was made belongs to whoever asked, but for the group in a directory that passes on its own.
 *
 * @param directory in which it was made
 * @param mode with the set-id bits that it is to have; undefined: the host gave it what modes it has
 */
export function giveToMaker(
  owners: Owners,
  stat: Stat,
  directory: number,
  fd: number,
  caller: Caller,
  mode: number | undefined,
): void {
  must(stat.read(directory));
  const inherits = (stat.mode & SET_GROUP_ID) !== 0;
  const gid = inherits ? owners.shown(directory, undefined).gid : caller.gid;
  owners.made(fd, caller.uid, gid);
  // Giving a file away takes these bits from it.
  if (mode !== undefined && (mode & SET_ID_BITS) !== 0) owners.changeMode(fd, mode & PERMISSIONS);
}

/** Takes set-id bits away, as the kernel does: the group's bit means something else where the group may not execute. */
export function dropSetId(owners: Owners, stat: Stat, fd: number): void {
  if (stat.read(fd) !== 0) return;
  const mode = stat.mode | owners.shown(fd, undefined).setId;
  const gone = 0o4000 | ((mode & 0o010) === 0 ? 0 : SET_GROUP_ID);
  if ((mode & gone) !== 0) owners.changeMode(fd, mode & PERMISSIONS & ~gone);
}
