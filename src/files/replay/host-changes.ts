import { Watch } from "../../../ffi/inotify.ts";
import { FileError } from "../errno.ts";
import type { Attributes, Entry } from "../filesystem.ts";
import type { Inode, Inodes } from "../folder/inodes.ts";
import { DIRECTORY, REGULAR, type Stat, TYPE } from "../folder/stat.ts";
import type { HostChange } from "../request.ts";
import type { Listener, Name, Watches } from "./watches.ts";

/** From the first event on: an editor's save is several of them, and `git checkout` thousands. */
const SETTLE_MS = 50;
/** Between two lists at least, and as long as the guest took for the last one: half of its time is the workload's. */
const PAUSE_MS = 100;

/** Names that wait. What comes beyond is dropped, and said. */
const MAX_WAITING = 8192;
/** Of one list: it has to fit into a request of the agent's, 64 KiB. */
const MAX_LISTED = 128;
const MAX_PATH_BYTES = 32 * 1024;
/** PATH_MAX, without its NUL and what stands before it. */
const MAX_PATH = 4000;

const APPEARED = Watch.created | Watch.movedTo;
const VANISHED = Watch.deleted | Watch.movedFrom;

interface Waiting {
  readonly directory: Inode;
  readonly name: string;
  /** What has happened, in any order. */
  mask: number;
}

interface Gone {
  /** What the guest knows by that name. */
  readonly known: Inode | undefined;
  readonly isDirectory: boolean;
}

/** A change that the guest is about to be told, and what of it the agent has still to do. */
export interface Told {
  /** The name is to go. */
  gone: Gone | undefined;
  /** The name is to appear. */
  made: boolean;
}

/** What the host changes in one volume, until its guest has been told (docs/design/files.md, "Watching"). */
export class HostChanges implements Listener {
  readonly #inodes: Inodes;
  readonly #stat: Stat;
  readonly #watches: Watches;
  readonly #waiting = new Map<string, Waiting>();
  readonly #told = new Map<string, Told>();
  #wake = Promise.withResolvers<void>();
  /** When the guest was given the last list. */
  #toldAt: number | undefined;
  #closed = false;
  readonly #reasons = new Set<string>();
  #onMissed: (reason: string) => void = () => {};

  constructor(inodes: Inodes, stat: Stat, watches: Watches) {
    this.#inodes = inodes;
    this.#stat = stat;
    this.#watches = watches;
  }

  /** Called with why the guest is not told something, once for each reason, also for those that were there before. */
  set onMissed(handler: (reason: string) => void) {
    this.#onMissed = handler;
    for (const reason of this.#reasons) handler(reason);
  }

  /** As `Watches.add`. */
  watch(inode: Inode, fd: number, name?: string): void {
    this.#watches.add(inode, this, fd, name);
  }

  forget(inode: Inode): void {
    this.#watches.drop(inode);
  }

  /** The guest has just changed these names itself: its own kernel has told it. */
  own(...names: readonly Name[]): void {
    this.#watches.read(names);
  }

  changed(directory: Inode, name: string, mask: number): void {
    const key = keyOf(directory.id, name);
    const known = this.#waiting.get(key);
    if (known !== undefined) known.mask |= mask;
    else if (this.#waiting.size < MAX_WAITING) this.#waiting.set(key, { directory, name, mask });
    else this.missed("more changed at once than can be told");
    this.#wake.resolve();
  }

  missed(reason: string): void {
    if (this.#reasons.has(reason)) return;
    this.#reasons.add(reason);
    this.#onMissed(reason);
  }

  /**
   * The next list of changes, as soon as there are some; empty when the volume is closed. Asking for it says that the
   * guest has been told the last one.
   */
  async next(): Promise<readonly HostChange[]> {
    this.#told.clear();
    if (this.#toldAt !== undefined) await Bun.sleep(Math.max(PAUSE_MS, performance.now() - this.#toldAt));
    for (;;) {
      await this.#wake.promise;
      if (!this.#closed) await Bun.sleep(SETTLE_MS);
      if (this.#closed) return [];
      const list = this.#list();
      if (list.length === 0) continue;
      this.#toldAt = performance.now();
      return list;
    }
  }

  close(): void {
    this.#closed = true;
    this.#wake.resolve();
  }

  /** What is being told of a name. */
  told(parent: number, name: string): Told | undefined {
    return this.#told.get(keyOf(parent, name));
  }

  /**
   * How the agent sees what goes: a file that the guest knows is itself, so that those hear of it who watch it and not
   * its directory. A directory is a stand-in: it may have moved, and what is removed is dead for the guest's kernel.
   */
  goneEntry({ known, isDirectory }: Gone): Entry {
    if (known === undefined || isDirectory)
      return { node: this.#inodes.unused(), attributes: bare(isDirectory ? DIRECTORY : REGULAR, 0) };
    known.holds++;
    for (const fd of known.opened)
      if (this.#stat.read(fd) === 0) return { node: known.id, attributes: bare(known.type, this.#stat.size) };
    return { node: known.id, attributes: bare(known.type, 0) };
  }

  /** Takes as many as fit; what is no change by now is left out. */
  #list(): HostChange[] {
    const taken = [...this.#waiting.entries().take(MAX_LISTED)];
    const known = this.#knownIn(new Set(taken.map(([, { directory }]) => directory)));
    const list: HostChange[] = [];
    let room = MAX_PATH_BYTES;
    for (const [key, waiting] of taken) {
      const path = pathOf(waiting);
      if (path !== undefined && path.length > room) break;
      this.#waiting.delete(key);
      const change = path === undefined ? undefined : this.#changeOf(key, path, waiting, known.get(key));
      if (change === undefined) continue;
      room -= change.path.length;
      list.push(change);
    }
    if (this.#waiting.size === 0) this.#wake = Promise.withResolvers<void>();
    return list;
  }

  /** What the guest knows under the names that wait, in these directories. */
  #knownIn(directories: ReadonlySet<Inode>): ReadonlyMap<string, Inode> {
    const known = new Map<string, Inode>();
    for (const [directory, inode] of this.#inodes.knownIn(directories)) {
      const key = keyOf(directory.id, inode.name);
      if (this.#waiting.has(key)) known.set(key, inode);
    }
    return known;
  }

  #changeOf(key: string, path: string, waiting: Waiting, known: Inode | undefined): HostChange | undefined {
    const { directory, name, mask } = waiting;
    const mode = this.#modeOf(directory, name);
    const appeared = (mask & APPEARED) !== 0;
    const isSame = mode !== undefined && known !== undefined && this.#inodes.isSame(known);
    // Of what the guest does not know: one that has come and gone meanwhile is none of its business.
    const vanished = mode === undefined && !appeared && (mask & VANISHED) !== 0;
    const gone = known === undefined ? vanished : !isSame;
    const made = mode !== undefined && !isSame && (appeared || gone);
    const isFile = mode !== undefined && (mode & TYPE) === REGULAR;
    const modified = isFile || (isSame && appeared);
    if (!gone && !made && !modified) return undefined;
    const wasDirectory = known === undefined ? (mask & Watch.isDirectory) !== 0 : known.type === DIRECTORY;
    this.#told.set(key, { gone: gone ? { known, isDirectory: wasDirectory } : undefined, made });
    return {
      path,
      mode: mode ?? 0,
      gone: gone && (wasDirectory ? "directory" : "file"),
      made,
      modified,
      written: isFile && isWritten(mask, mode),
    };
  }

  /** Of what has that name now; undefined where there is nothing. `stat` has looked at it. */
  #modeOf(directory: Inode, name: string): number | undefined {
    try {
      const fd = this.#inodes.descriptor(directory);
      return this.#stat.read(fd, name === "" ? undefined : name) === 0 ? this.#stat.mode : undefined;
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      return undefined;
    }
  }
}

const keyOf = (parent: number, name: string): string => `${parent}/${name}`;

/** What the guest believes of a file that is going, for the moment that this takes. */
const bare = (type: number, size: number): Attributes => ({
  inode: 1n,
  mode: type,
  links: 1,
  uid: 0,
  gid: 0,
  size,
  blocks: 0,
  blockSize: 4096,
  accessedAt: 0n,
  modifiedAt: 0n,
  changedAt: 0n,
});

const EXECUTABLE = 0o111;

/** A program cannot be started while it is open for writing: for those, closing is not repeated. */
const isWritten = (mask: number, mode: number): boolean =>
  (mask & (Watch.written | Watch.movedTo)) !== 0 && (mode & EXECUTABLE) === 0;

/** From the volume's root; undefined for what is forgotten or too deep. */
function pathOf({ directory, name }: Waiting): string | undefined {
  let path = name;
  for (let at = directory; at.id !== ROOT; at = at.parent) {
    path = `${at.name}/${path}`;
    if (at.parent === undefined || path.length > MAX_PATH) return undefined;
  }
  return path;
}

/** The number of a volume's root. */
const ROOT = 1;
