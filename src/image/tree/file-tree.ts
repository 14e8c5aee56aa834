import { SmolError } from "../../errors.ts";
import { limits } from "../limits.ts";
import type { Attributes, FileTypeBits } from "./inode.ts";

/** A tree of files on a disk that is read without being mounted. Everything in it may be a stranger's. */
export interface FileTree {
  readonly root: TreeFile;
  /** What is in a directory, by name (byte strings), sorted by byte. */
  entries(directory: TreeFile): ReadonlyMap<string, TreeFile>;
  /** The bytes of a regular file. */
  open(file: TreeFile): OpenTreeFile;
}

/** One file of any type. */
export interface TreeFile {
  readonly type: FileTypeBits;
  readonly attributes: Attributes;
  /** Bytes of a regular file; 0 for everything else. */
  readonly size: number;
  /** Of a symbolic link: a byte string. */
  readonly target: string;
  /** Of a device node. */
  readonly major: number;
  readonly minor: number;
  /** The same for all names of one file. */
  readonly id: number;
  /** How many names it has. */
  readonly links: number;
}

export interface OpenTreeFile {
  /** Where it has data: ascending, without overlap, inside the file. What is between is zeros. */
  readonly runs: readonly { readonly offset: number; readonly length: number }[];
  /** Bytes inside one run, exactly as many as asked for. */
  read(offset: number, length: number): Buffer;
}

/**
 * Counts files that are listed, and so held in memory. On a stranger's disk many names may share one file with large
 * attributes, and many directories one list of names: they take little there, and much here.
 */
export class Listing {
  #files = 0;
  #xattrBytes = 0;

  /** @throws SmolError `image.limit` */
  add({ attributes }: Pick<TreeFile, "attributes">): void {
    for (const { name, value } of attributes.xattrs) this.#xattrBytes += name.length + value.length;
    if (++this.#files > limits.entries) throw beyond(`more than ${limits.entries} files`);
    if (this.#xattrBytes > limits.treeXattrBytes)
      throw beyond(`extended attributes of more than ${limits.treeXattrBytes} bytes`);
  }
}

const beyond = (what: string): SmolError => new SmolError("image.limit", `the directories have ${what}`);
