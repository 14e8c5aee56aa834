import { closeDescriptor, OpenFlag, openAt } from "../../../ffi/files.ts";
import { Errno, must, refuse } from "../errno.ts";
import type { Access } from "./access.ts";
import type { Stat } from "./stat.ts";

/** A file that the guest has heard of. It is found again by its name in its parent, and known by what it is. */
export interface Inode {
  readonly id: number;
  readonly key: string;
  readonly type: number;
  /** Nanoseconds, rounded to 53 bits: tells a file from a later one with the same number. */
  readonly bornAt: number;
  /** Undefined for the root, whose descriptor stays open, and for what is forgotten. */
  parent: Inode | undefined;
  name: string;
  holds: number;
  /** How many others have it as their parent: they are found through it, so it is kept as long. */
  children: number;
  /** Open files of the guest, by their descriptors: they outlive every name. */
  opened: ReadonlySet<number>;
}

/** Descriptors that name files (O_PATH), of all folders of this process: those used last. */
export class Descriptors {
  readonly most: number;
  readonly #open = new Map<Inode, number>();

  /** @param most how many may be open, at least 16 */
  constructor(most: number) {
    this.most = most;
  }

  get count(): number {
    return this.#open.size;
  }

  get(inode: Inode): number | undefined {
    const fd = this.#open.get(inode);
    if (fd === undefined) return undefined;
    // A map keeps the order in which its keys came: the first is the one that nobody used for longest.
    this.#open.delete(inode);
    this.#open.set(inode, fd);
    return fd;
  }

  put(inode: Inode, fd: number): void {
    this.#open.set(inode, fd);
    if (this.#open.size <= this.most) return;
    for (const oldest of this.#open.keys()) {
      this.drop(oldest);
      return;
    }
  }

  drop(inode: Inode): void {
    const fd = this.#open.get(inode);
    if (fd === undefined) return;
    this.#open.delete(inode);
    closeDescriptor(fd);
  }
}

/** What a file costs that a guest knows, in bytes: measured with short names and long ones, and rounded up. */
const costOf = (name: string): number => 640 + 2 * name.length;

/** Memory for the files that the guests of this process know, in all volumes. */
export class MemoryBudget {
  #left: number;

  /** @param most bytes */
  constructor(most: number) {
    this.#left = most;
  }

  get left(): number {
    return this.#left;
  }

  /** May be negative; also more than is left, for what has happened already. */
  use(bytes: number): void {
    this.#left -= bytes;
  }
}

const none: ReadonlySet<number> = new Set();

/**
 * What a guest knows of a folder. A file costs memory and no descriptor: one is opened when it is needed, step by step
 * from the root, without following a link, and it is refused (ESTALE) when it is not the file that it was. So neither
 * a link nor a rename, whoever makes it, leads anywhere else.
 */
export class Inodes {
  readonly root: Inode;
  readonly #rootFd: number;
  readonly #byId = new Map<number, Inode>();
  readonly #byKey = new Map<string, Inode>();
  readonly #descriptors: Descriptors;
  readonly #access: Access;
  readonly #stat: Stat;
  readonly #memory: MemoryBudget;
  readonly #onForget: (inode: Inode) => void;
  /** What these take of it. */
  #used = 0;
  #last = 1;

  /**
   * @param rootFd what is shared; it stays the caller's
   * @param onForget called with what the guest does not know any more
   */
  constructor(
    rootFd: number,
    descriptors: Descriptors,
    memory: MemoryBudget,
    access: Access,
    stat: Stat,
    onForget: (inode: Inode) => void,
  ) {
    this.#onForget = onForget;
    this.#memory = memory;
    this.#rootFd = rootFd;
    this.#descriptors = descriptors;
    this.#access = access;
    this.#stat = stat;
    must(stat.read(rootFd));
    this.root = this.#make(1, undefined, "");
  }

  get count(): number {
    return this.#byId.size;
  }

  /** @throws FileError ESTALE for a number that the guest has not, or no longer */
  byId(id: number): Inode {
    return this.#byId.get(id) ?? refuse(Errno.ESTALE);
  }

  /** One more hold on the file that `stat` has just seen under this name. @throws FileError ENOMEM */
  hold(parent: Inode, name: string): Inode {
    const key = this.#stat.key;
    let inode = this.#byKey.get(key);
    if (inode === undefined || !this.isSame(inode)) {
      if (this.#memory.left < costOf(name)) refuse(Errno.ENOMEM);
      inode = this.#make(++this.#last, parent, name);
    } else this.#place(inode, parent, name);
    inode.holds++;
    return inode;
  }

  forget(id: number, holds: number): void {
    const inode = this.#byId.get(id);
    if (inode === undefined) return;
    inode.holds = Math.max(0, inode.holds - holds);
    this.#release(inode);
  }

  /** The file that `stat` has just seen has this name now; it may be one that the guest does not know. */
  moved(parent: Inode, name: string): void {
    const inode = this.#byKey.get(this.#stat.key);
    if (inode !== undefined) this.#place(inode, parent, name);
  }

  /**
   * A descriptor that names the file. It, and the one that was asked for before, are good until the next is asked for.
   *
   * @throws FileError ESTALE when it is not where it was, or another one is
   */
  descriptor(inode: Inode): number {
    const known = this.#known(inode);
    if (known !== undefined) return known;
    const path = [inode];
    // More steps could close what was asked for before. They may lead in a ring, too: the host renames directories
    // while the guest knows them at their old places.
    const most = this.#descriptors.most / 2;
    let fd: number | undefined;
    for (let above = inode.parent; above !== undefined && fd === undefined; above = above.parent) {
      fd = this.#known(above);
      if (fd === undefined && path.push(above) > most) break;
    }
    if (fd === undefined) refuse(Errno.ESTALE);
    for (const step of path.reverse()) fd = this.#openStep(fd, step);
    return fd;
  }

  /**
   * Looks at the file, with `stat`, without opening it.
   *
   * @returns a directory and a name by which it was found, or a descriptor alone
   */
  look(inode: Inode): { fd: number; name: string | undefined } {
    const known = this.#known(inode);
    if (known === undefined && inode.parent !== undefined) {
      const fd = this.descriptor(inode.parent);
      const found = this.#access.inDirectory(fd, () => this.#stat.read(fd, inode.name));
      if (found === 0 && this.isSame(inode)) return { fd, name: inode.name };
    }
    const fd = known ?? this.#ofOpened(inode);
    must(this.#stat.read(fd));
    return { fd, name: undefined };
  }

  /**
   * What the guest knows in these directories, each with its directory. All that it knows is looked through, which may
   * be 700,000 files.
   */
  *knownIn(directories: ReadonlySet<Inode>): Generator<[directory: Inode, inode: Inode], void, void> {
    for (const inode of this.#byId.values()) {
      const { parent } = inode;
      if (parent !== undefined && inode.holds > 0 && directories.has(parent)) yield [parent, inode];
    }
  }

  /** A number that no file has, nor will have. */
  unused(): number {
    return ++this.#last;
  }

  /** The guest has opened the file, or closes what it had open. */
  opened(inode: Inode, fd: number): void {
    inode.opened = new Set([...inode.opened, fd]);
  }
  closed(inode: Inode, fd: number): void {
    inode.opened = inode.opened.size === 1 ? none : new Set([...inode.opened].filter((one) => one !== fd));
  }

  close(): void {
    for (const inode of this.#byId.values()) {
      this.#descriptors.drop(inode);
      this.#onForget(inode);
    }
    this.#byId.clear();
    this.#byKey.clear();
    this.#use(-this.#used);
  }

  #place(inode: Inode, parent: Inode, name: string): void {
    const before = inode.parent;
    if (before === undefined) return;
    this.#use(costOf(name) - costOf(inode.name));
    inode.name = name;
    if (before === parent) return;
    inode.parent = parent;
    parent.children++;
    before.children--;
    this.#release(before);
  }

  /** Forgets what nobody holds, and what was kept only for it. */
  #release(from: Inode): void {
    for (let inode = from; inode.holds === 0 && inode.children === 0; ) {
      const { parent } = inode;
      // The root, or one that is forgotten already.
      if (parent === undefined) return;
      this.#byId.delete(inode.id);
      if (this.#byKey.get(inode.key) === inode) this.#byKey.delete(inode.key);
      this.#descriptors.drop(inode);
      this.#onForget(inode);
      this.#use(-costOf(inode.name));
      inode.parent = undefined;
      parent.children--;
      inode = parent;
    }
  }

  #use(bytes: number): void {
    this.#used += bytes;
    this.#memory.use(bytes);
  }

  #known(inode: Inode): number | undefined {
    return inode === this.root ? this.#rootFd : this.#descriptors.get(inode);
  }

  /** A file without a name is still there for who has it open. */
  #ofOpened(inode: Inode): number {
    for (const fd of inode.opened) return fd;
    return refuse(Errno.ESTALE);
  }

  #openStep(directory: number, inode: Inode): number {
    const flags = OpenFlag.pathOnly | OpenFlag.noFollow;
    const fd = this.#access.inDirectory(directory, () => openAt(directory, inode.name, flags));
    const found = fd < 0 ? fd : this.#stat.read(fd);
    if (found === 0 && this.isSame(inode)) {
      this.#descriptors.put(inode, fd);
      return fd;
    }
    if (fd >= 0) closeDescriptor(fd);
    if (fd < 0 && fd !== -Errno.ENOENT && fd !== -Errno.ENOTDIR) refuse(-fd);
    return this.#ofOpened(inode);
  }

  /** Whether it is what `stat` has just seen. */
  isSame(inode: Inode): boolean {
    const { key, type, bornAt } = this.#stat;
    return inode.key === key && inode.type === type && inode.bornAt === Number(bornAt);
  }

  #make(id: number, parent: Inode | undefined, name: string): Inode {
    const { key, type } = this.#stat;
    const bornAt = Number(this.#stat.bornAt);
    const inode: Inode = { id, key, type, bornAt, parent, name, holds: 0, children: 0, opened: none };
    if (parent !== undefined) parent.children++;
    this.#use(costOf(name));
    this.#byId.set(id, inode);
    this.#byKey.set(key, inode);
    return inode;
  }
}
