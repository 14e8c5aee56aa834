import { openWatches, readWatches, unwatch, Watch, watchEventsIn, watchFile } from "../../../ffi/inotify.ts";
import type { Inode } from "../folder/inodes.ts";

/** Who is told of what changes: one volume. */
export interface Listener {
  /** @param name in the directory; empty: the file itself, which is the volume */
  changed(directory: Inode, name: string, mask: number): void;
  /** Changes have been lost: the kernel keeps no more events, or watches no more directories. */
  missed(reason: string): void;
}

/** Creation, removal, renames and contents. Modes and times alone are not told: reading can change both here. */
const WANTED =
  Watch.created | Watch.deleted | Watch.modified | Watch.written | Watch.movedFrom | Watch.movedTo;

/** EACCES: what the user may not read is not watched. ENOENT, ENOTDIR: it has just gone. */
const HARMLESS: ReadonlySet<number> = new Set([-13, -2, -20]);

/** Of a file in a directory; empty: that itself, which is then a file and the volume. */
export interface Name {
  readonly directory: Inode;
  readonly name: string;
}

interface Target {
  readonly inode: Inode;
  readonly listener: Listener;
}

/** Events for some hundred names at once. */
const BUFFER_BYTES = 64 * 1024;

/**
 * What the host's kernel watches for all volumes of this process: the directories that guests have looked at, those
 * used last. One queue for all, as a user may have few (`fs.inotify.max_user_instances`, often 128).
 */
export class Watches {
  readonly #most: number;
  readonly #queue: number;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  /** In the order of their use. */
  readonly #byInode = new Map<Inode, number>();
  /** One number stands for a directory in all volumes that have it. */
  readonly #byNumber = new Map<number, Target[]>();

  /**
   * @param most directories. Users have some thousands of watches on older systems, which other programs need too
   */
  constructor(most: number) {
    this.#most = most;
    this.#queue = openWatches();
  }

  get count(): number {
    return this.#byInode.size;
  }

  /**
   * Watches a directory, or a file that is a volume, from now on.
   *
   * @param fd the directory that it is in, or without `name` the file itself
   */
  add(inode: Inode, listener: Listener, fd: number, name?: string): void {
    if (this.#queue < 0) {
      listener.missed(`the host watches for no more programs of this user: errno ${-this.#queue}`);
      return;
    }
    const known = this.#byInode.get(inode);
    if (known !== undefined) {
      this.#byInode.delete(inode);
      this.#byInode.set(inode, known);
      return;
    }
    const number = watchFile(this.#queue, fd, name, WANTED | (name === undefined ? 0 : Watch.noFollow));
    if (number < 0) {
      if (!HARMLESS.has(number)) listener.missed(`the host watches no more directories: errno ${-number}`);
      return;
    }
    this.#byInode.set(inode, number);
    this.#byNumber.set(number, [...(this.#byNumber.get(number) ?? []), { inode, listener }]);
    if (this.#byInode.size <= this.#most) return;
    for (const oldest of this.#byInode.keys()) {
      this.drop(oldest);
      return;
    }
  }

  drop(inode: Inode): void {
    const number = this.#byInode.get(inode);
    if (number === undefined) return;
    this.#byInode.delete(inode);
    const others = (this.#byNumber.get(number) ?? []).filter((target) => target.inode !== inode);
    if (others.length > 0) {
      this.#byNumber.set(number, others);
      return;
    }
    this.#byNumber.delete(number);
    unwatch(this.#queue, number);
  }

  /** Tells listeners what has changed until now, but for what the caller has just done itself to these names. */
  read(own: readonly Name[] = []): void {
    for (;;) {
      const length = this.#byInode.size === 0 ? 0 : readWatches(this.#queue, this.#buffer);
      if (length <= 0) return;
      this.#pass(this.#buffer.subarray(0, length), own);
    }
  }

  /** Reads whenever the kernel has something; does not end, and does not reject. */
  async follow(): Promise<void> {
    if (this.#queue < 0) return;
    try {
      for await (const bytes of Bun.file(this.#queue).stream()) this.#pass(bytes);
    } catch (error) {
      this.#missed(String(error));
    }
  }

  #pass(bytes: Uint8Array, own: readonly Name[] = []): void {
    for (const { watch, mask, name } of watchEventsIn(bytes)) {
      if ((mask & Watch.overflow) !== 0) this.#missed("more changed at once than the host tells");
      if ((mask & Watch.ended) !== 0) this.#ended(watch);
      if ((mask & WANTED) === 0) continue;
      for (const { inode, listener } of this.#byNumber.get(watch) ?? [])
        if (!own.some((one) => one.directory === inode && one.name === name))
          listener.changed(inode, name, mask);
    }
  }

  #missed(reason: string): void {
    for (const { listener } of [...this.#byNumber.values()].flat()) listener.missed(reason);
  }

  /** What was watched is gone. The number does not come back. */
  #ended(watch: number): void {
    for (const { inode } of this.#byNumber.get(watch) ?? []) this.#byInode.delete(inode);
    this.#byNumber.delete(watch);
  }
}
