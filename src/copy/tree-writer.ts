import { closeSync, fchmodSync, fchownSync, ftruncateSync, writeSync } from "node:fs";
import { setFileTime } from "../../ffi/libc.ts";
import { errnoOf, SmolError } from "../errors.ts";
import type { Directory } from "./directory.ts";
import { hostFailure, printable } from "./failure.ts";
import { limits } from "./limits.ts";
import { broken, type RecordEvent } from "./reader.ts";
import { type Attributes, type Entry, Kind } from "./records.ts";
import { TEMPORARY, temporaryName } from "./temporary.ts";

export interface TreeOptions {
  /** Owners, set-uid and set-gid bits are those of the machine; else files are the user's, without such bits. */
  readonly archive: boolean;
  /** A note for the user. */
  readonly onNote: (text: string) => void;
}

/** A directory that is being filled. */
interface Level {
  readonly directory: Directory;
  /** This copy has made it: nobody else's files are in it. */
  readonly fresh: boolean;
  /** Of one that was there before: it keeps its mode and times. */
  readonly attributes: Attributes | undefined;
  readonly name: string;
  /** Its name until it is complete, where that is not its own. */
  readonly temporary: string | undefined;
}

/** A file that is being written. */
interface OpenFile {
  readonly entry: Entry;
  readonly fd: number;
  /** Undefined: it has none yet. */
  readonly madeAs: string | undefined;
  end: number;
}

/**
 * Makes files on the host as a guest describes them. The guest is hostile: what it says decides what files contain and
 * what they are called in the one directory, never where a byte lands. Each name is one component and is made in a
 * directory that this copy holds open; nothing follows a link. A file, and a directory that was not there, appear under
 * their names when they are complete; `abandon` removes what is not.
 */
export class TreeWriter {
  readonly #options: TreeOptions;
  /** The first one is the target, and not closed with an `up`. */
  readonly #levels: Level[];
  readonly #topName: string | undefined;
  #file: OpenFile | undefined;
  /** A name that was made and is not complete. */
  #unfinished: string | undefined;
  /** Files that may get further names, by their path from the top. */
  readonly #linked = new Set<string>();
  #ownersRefused = false;

  /**
   * @param target where the top goes; closed at the end
   * @param topName the top's name; undefined: its entries go right into the target, which keeps its attributes
   */
  constructor(target: Directory, topName: string | undefined, options: TreeOptions) {
    this.#options = options;
    this.#topName = topName;
    this.#levels = [
      { directory: target, fresh: false, attributes: undefined, name: "", temporary: undefined },
    ];
  }

  /** @throws SmolError `copy.*` */
  take(event: RecordEvent): void {
    switch (event.kind) {
      case "entry":
        this.#attempt("make", event.entry.name, () => this.#entry(event.entry));
        break;
      case "data":
        this.#attempt("write", this.#file?.entry.name ?? "", () => this.#write(event.offset, event.bytes));
        break;
      case "size":
        this.#attempt("write", this.#file?.entry.name ?? "", () => this.#endFile(event.size));
        break;
      case "up":
        this.#attempt("make", this.#top.name, () => this.#up());
        break;
      default:
        break;
    }
  }

  /** All is there. */
  close(): void {
    for (const { directory } of this.#levels.splice(0)) directory.close();
  }

  /** Removes what is not complete. */
  abandon(): void {
    if (this.#file !== undefined) closeSync(this.#file.fd);
    this.#file = undefined;
    while (this.#levels.length > 0) {
      const { directory, temporary } = this.#levels.pop() as Level;
      try {
        if (this.#unfinished !== undefined) directory.removeFile(this.#unfinished);
      } catch {
        // Somebody else has removed it, or nobody can.
      }
      this.#unfinished = undefined;
      directory.close();
      try {
        if (temporary !== undefined) this.#top.directory.removeTree(temporary, limits.depth + 1);
      } catch {
        // The same. The next copy to this place tries again.
      }
    }
  }

  get #top(): Level {
    return this.#levels.at(-1) as Level;
  }

  #attempt(action: string, name: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      throw hostFailure(action, this.#pathOf(name), error);
    }
  }

  /** From the top, as it is printed. */
  #pathOf(name: string): string {
    const names = [...this.#levels.slice(1).map((level) => level.name), name || (this.#topName ?? "")];
    return names.filter((part) => part !== "").join("/") || "the target";
  }

  #entry(sent: Entry): void {
    const isTop = this.#levels.length === 1;
    const name = isTop ? (this.#topName ?? "") : sent.name;
    const entry = { ...sent, name };
    if (entry.kind === Kind.directory) {
      if (name === "") this.#levels.push({ ...this.#top, directory: reopened(this.#top.directory) });
      else this.#openDirectory(entry);
      return;
    }
    if (name === "") throw broken("a file instead of a directory");
    if (entry.kind === Kind.file) this.#openFile(entry);
    else if (entry.kind === Kind.symlink) this.#makeSymlink(entry);
    else this.#addName(entry);
  }

  #openDirectory({ name, attributes }: Entry): void {
    const { directory, fresh } = this.#top;
    const found = directory.find(name);
    if (found !== undefined) {
      if (fresh) throw twice(name);
      if (!found.isDirectory()) throw inTheWay(this.#pathOf(name));
      const inside = directory.openDirectory(name);
      this.#levels.push({
        directory: inside,
        fresh: false,
        attributes: undefined,
        name,
        temporary: undefined,
      });
      return;
    }
    const temporary = fresh ? undefined : temporaryName();
    directory.makeDirectory(temporary ?? name);
    const inside = directory.openDirectory(temporary ?? name);
    if (temporary !== undefined) TEMPORARY.claim(inside.fd);
    this.#levels.push({ directory: inside, fresh: true, attributes, name, temporary });
  }

  #up(): void {
    const level = this.#top;
    if (level.attributes !== undefined) {
      const { mode } = level.attributes;
      this.#setAttributes(level.directory.fd, level.attributes, this.#options.archive ? mode : mode & 0o1777);
    }
    if (level.temporary !== undefined) {
      const above = this.#levels.at(-2) as Level;
      if (above.directory.find(level.name) !== undefined) throw inTheWay(this.#pathOf(""));
      above.directory.rename(level.temporary, level.name);
    }
    this.#levels.pop();
    level.directory.close();
  }

  #openFile(entry: Entry): void {
    const { directory, fresh } = this.#top;
    if (!fresh) {
      const unnamed = directory.makeUnnamed();
      if (unnamed !== undefined) {
        this.#file = { entry, fd: unnamed, madeAs: undefined, end: 0 };
        return;
      }
    }
    const madeAs = fresh ? entry.name : temporaryName();
    const fd = this.#make(madeAs, () => directory.makeFile(madeAs));
    if (!fresh) TEMPORARY.claim(fd);
    this.#file = { entry, fd, madeAs, end: 0 };
  }

  /** Makes something new under a name, which counts as unfinished from then on. */
  #make<T>(name: string, make: () => T): T {
    try {
      const made = make();
      this.#unfinished = name;
      return made;
    } catch (error) {
      if (errnoOf(error) === "EEXIST") throw twice(name);
      throw error;
    }
  }

  #write(offset: number, bytes: Uint8Array): void {
    const file = this.#file as OpenFile;
    for (let done = 0; done < bytes.length; )
      done += writeSync(file.fd, bytes, done, bytes.length - done, offset + done);
    file.end = offset + bytes.length;
  }

  #endFile(size: number): void {
    const { entry, fd, madeAs, end } = this.#file as OpenFile;
    if (size !== end) ftruncateSync(fd, size);
    const { mode } = entry.attributes;
    this.#setAttributes(fd, entry.attributes, this.#options.archive ? mode : mode & 0o777);
    if (madeAs === undefined) this.#nameUnnamed(fd, entry.name);
    else this.#appear(madeAs, entry.name);
    closeSync(fd);
    this.#file = undefined;
    if (entry.hasMoreNames) this.#remember(entry.name);
  }

  #nameUnnamed(fd: number, name: string): void {
    const { directory } = this.#top;
    try {
      directory.nameUnnamed(fd, name);
      return;
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
    }
    // link(2) cannot replace, rename(2) can.
    const temporary = temporaryName();
    TEMPORARY.claim(fd);
    this.#make(temporary, () => directory.nameUnnamed(fd, temporary));
    this.#appear(temporary, name);
  }

  /** What is complete gets its name, in the place of another file. */
  #appear(from: string, name: string): void {
    const { directory } = this.#top;
    if (from !== name) {
      directory.rename(from, name);
      // Where both are names of one file, rename(2) does nothing.
      if (directory.find(from) !== undefined) directory.removeFile(from);
    }
    this.#unfinished = undefined;
  }

  #makeSymlink({ name, target, attributes }: Entry): void {
    const { directory, fresh } = this.#top;
    const madeAs = fresh ? name : temporaryName();
    this.#make(madeAs, () => directory.makeLink(madeAs, target));
    if (this.#options.archive)
      this.#setOwner(() => directory.setOwner(madeAs, attributes.uid, attributes.gid));
    directory.setTime(madeAs, attributes.seconds, attributes.nanoseconds);
    this.#appear(madeAs, name);
  }

  /** Only a file that this copy has made gets a further name. */
  #addName({ name, target }: Entry): void {
    if (!this.#linked.has(target)) throw broken("a further name of what was not sent");
    const { directory, fresh } = this.#top;
    const path = target.split("/");
    const last = path.pop() as string;
    const madeAs = fresh ? name : temporaryName();
    this.#within(path, (from) => this.#make(madeAs, () => directory.addName(madeAs, from, last)));
    this.#appear(madeAs, name);
  }

  /** Opens a directory of this copy by its path from the top; those in progress may have other names yet. */
  #within(path: readonly string[], use: (directory: Directory) => void): void {
    // The first level is the target, the second one the top.
    let depth = 1;
    while (depth - 1 < path.length && this.#levels[depth + 1]?.name === path[depth - 1]) depth++;
    let directory = (this.#levels[depth] as Level).directory;
    const opened: Directory[] = [];
    try {
      for (const name of path.slice(depth - 1)) {
        directory = directory.openDirectory(name);
        opened.push(directory);
      }
      use(directory);
    } finally {
      for (const one of opened) one.close();
    }
  }

  #remember(name: string): void {
    if (this.#levels.length === 1) return;
    if (this.#linked.size === limits.linkedFiles)
      throw new SmolError("copy.limit", `more than ${limits.linkedFiles} files have several names`);
    this.#linked.add([...this.#levels.slice(2).map((level) => level.name), name].join("/"));
  }

  /** Owner first: changing it takes set-uid bits away. */
  #setAttributes(fd: number, { uid, gid, seconds, nanoseconds }: Attributes, mode: number): void {
    if (this.#options.archive) this.#setOwner(() => fchownSync(fd, uid, gid));
    fchmodSync(fd, mode);
    setFileTime(fd, seconds, nanoseconds);
  }

  #setOwner(set: () => void): void {
    if (this.#ownersRefused) return;
    try {
      set();
    } catch (error) {
      const code = errnoOf(error);
      if (code !== "EPERM" && code !== "EINVAL") throw error;
      this.#ownersRefused = true;
      this.#options.onNote("owners are not kept: only root can give files to others");
    }
  }
}

/** A second descriptor of a directory, so that each level closes its own. */
const reopened = (directory: Directory): Directory => directory.openDirectory(".");

const twice = (name: string) =>
  broken(`the name ${printable(name)} twice, or two names that this filesystem takes for one`);

const inTheWay = (path: string) =>
  new SmolError(
    "copy.in_the_way",
    `${printable(path)} exists and is no directory: nothing of it was replaced`,
  );
