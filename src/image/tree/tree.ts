import { SmolError } from "../../errors.ts";
import { limits } from "../limits.ts";
import { FileType, Inode, impliedDirectory, printable } from "./inode.ts";

/** Where a name stands: the directory it is in, and the name itself (empty for the root). */
export interface Place {
  readonly directory: Inode;
  readonly name: string;
}

/**
 * The filesystem of an image while it is put together, in memory. Paths are resolved inside it, as the kernel would
 * after chroot(2): nothing can lead out, because there is nothing outside.
 */
export class Tree {
  readonly root = new Inode(FileType.directory, impliedDirectory);
  /** Number of the layer that is being applied; new files belong to it. */
  layer = 0;
  /** Names that the present layer gave to files of lower layers. */
  readonly #lateLinks = new Map<Inode, Set<string>>();

  /** Directories that no entry describes: they cost memory too. */
  #implied = 0;

  constructor() {
    this.root.links = 1;
  }

  /**
   * Finds the directory in which the last part of a path stands. Symbolic links on the way are followed inside the
   * tree (as containerd and umoci do on disk); missing directories are made, with `impliedDirectory`'s attributes.
   *
   * @param path byte string; `..` stays inside the root, as in a path after chroot(2).
   * @throws SmolError `image.bad_entry` when a part of the path is a file, or links lead in circles.
   */
  locate(path: string, make: boolean): Place | undefined {
    const parts = splitPath(path);
    const name = parts.pop();
    if (name === undefined) return { directory: this.root, name: "" };
    const directory = this.#walk(parts, path, make);
    return directory === undefined ? undefined : { directory, name };
  }

  /** The inode at a place, if there is one. The last part of a path is never followed. */
  at(place: Place): Inode | undefined {
    return place.name === "" ? this.root : place.directory.children?.get(place.name);
  }

  /**
   * Puts a file where another may stand. A directory over a directory keeps what is inside and takes the new
   * attributes; everything else replaces what was there, with all that was below it.
   *
   * @returns the inode that now stands there.
   */
  put(place: Place, inode: Inode): Inode {
    const before = this.at(place);
    if (before?.children !== undefined && inode.children !== undefined) {
      before.attributes = inode.attributes;
      before.layer = this.layer;
      return before;
    }
    if (place.name === "") throw new SmolError("image.bad_entry", "the root of the image is not a directory");
    inode.layer = this.layer;
    this.#set(place, inode);
    return inode;
  }

  /** Gives a file a second name. */
  link(place: Place, inode: Inode): void {
    if (this.at(place) !== inode) this.#set(place, inode);
    if (inode.layer !== this.layer) {
      const names = this.#lateLinks.get(place.directory) ?? new Set();
      this.#lateLinks.set(place.directory, names.add(place.name));
    }
  }

  /** From here on, files belong to a new layer above the ones before. */
  nextLayer(): void {
    this.layer++;
    this.#lateLinks.clear();
  }

  /** Removes what lower layers put at a place; what the present layer put there or below it stays (OCI whiteout). */
  removeLower(place: Place): void {
    const inode = this.at(place);
    if (inode !== undefined && !this.#keepUpper(place.directory, place.name, inode)) this.#remove(place);
  }

  /** Removes everything in a directory that lower layers put there (OCI opaque whiteout). */
  clearLower(directory: Inode): void {
    // Nothing lower can come back within one layer: once is enough, however often a hostile layer asks.
    if (directory.clearedIn === this.layer) return;
    for (const [name, child] of directory.children ?? []) {
      if (!this.#keepUpper(directory, name, child)) this.#remove({ directory, name });
    }
    directory.clearedIn = this.layer;
  }

  /** Whether a name belongs to the present layer, or leads to something that does; clears lower files below it. */
  #keepUpper(directory: Inode, name: string, inode: Inode): boolean {
    if (inode.children === undefined) {
      return inode.layer === this.layer || this.#lateLinks.get(directory)?.has(name) === true;
    }
    this.clearLower(inode);
    return inode.layer === this.layer || inode.children.size > 0;
  }

  #set(place: Place, inode: Inode): void {
    if (place.name.length > limits.nameBytes) {
      throw new SmolError(
        "image.limit",
        `a file name is longer than ${limits.nameBytes} bytes: ${printable(place.name)}`,
      );
    }
    inode.links++;
    this.#remove(place);
    place.directory.children?.set(place.name, inode);
  }

  #remove({ directory, name }: Place): void {
    const inode = directory.children?.get(name);
    if (inode === undefined) return;
    directory.children?.delete(name);
    const stack = [inode];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      next.links--;
      for (const child of next.children?.values() ?? []) stack.push(child);
    }
  }

  /** Follows directories and symbolic links; see `locate`. */
  #walk(parts: readonly string[], path: string, make: boolean): Inode | undefined {
    const trail: Inode[] = [this.root];
    const waiting = parts.toReversed();
    let links = 0;
    let steps = 0;
    for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
      if (++steps > limits.pathSteps) throw badPath(path, "its links lead on and on");
      const here = trail.at(-1) ?? this.root;
      if (part === "..") {
        if (trail.length > 1) trail.pop();
        continue;
      }
      const next = here.children?.get(part);
      if (next === undefined) {
        if (!make) return undefined;
        if (++this.#implied > limits.entries) {
          throw new SmolError("image.limit", `the image implies more than ${limits.entries} directories`);
        }
        const made = new Inode(FileType.directory, impliedDirectory);
        made.layer = this.layer;
        this.#set({ directory: here, name: part }, made);
        trail.push(made);
      } else if (next.children !== undefined) {
        trail.push(next);
      } else if (next.type === FileType.symlink) {
        if (++links > limits.symlinks) throw badPath(path, "symbolic links lead in circles");
        if (next.target.startsWith("/")) trail.length = 1;
        waiting.push(...splitLink(next.target).toReversed());
      } else {
        if (!make) return undefined;
        throw badPath(path, `${printable(part)} is not a directory`);
      }
      if (trail.length > limits.depth) {
        throw new SmolError(
          "image.limit",
          `directories are nested deeper than ${limits.depth}: ${printable(path)}`,
        );
      }
    }
    return trail.at(-1);
  }
}

/** @throws SmolError `image.limit` when a path is too long. */
export function requirePath(path: string): void {
  if (path.length <= limits.pathBytes) return;
  throw new SmolError("image.limit", `a path is longer than ${limits.pathBytes} bytes: ${printable(path)}`);
}

/** The parts of an entry's path: `.` and empty parts dropped, `..` applied to the text, never above the root. */
export function splitPath(path: string): string[] {
  requirePath(path);
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") parts.pop();
    else parts.push(part);
  }
  return parts;
}

/** As `splitPath`, but keeps `..`: behind a symbolic link it means the parent of what was reached. */
function splitLink(target: string): string[] {
  return target.split("/").filter((part) => part !== "" && part !== ".");
}

function badPath(path: string, why: string): SmolError {
  return new SmolError("image.bad_entry", `cannot place ${printable(path)} in the image: ${why}`);
}
