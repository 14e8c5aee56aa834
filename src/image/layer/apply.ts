import { SmolError } from "../../errors.ts";
import { type ErofsWriter, isStorable } from "../erofs/index.ts";
import { limits } from "../limits.ts";
import type { TarEntry, TarEntryType, TarHandler } from "../tar/index.ts";
import {
  type Attributes,
  FileType,
  type FileTypeBits,
  Inode,
  type Place,
  printable,
  type Tree,
} from "../tree/index.ts";
import { whiteoutOf } from "./whiteout.ts";

/** Counts over all layers of one image, held against the limits. */
export interface Totals {
  entries: number;
  bytes: number;
}

const fileTypes: Record<Exclude<TarEntryType, "link">, FileTypeBits> = {
  file: FileType.regular,
  directory: FileType.directory,
  symlink: FileType.symlink,
  character: FileType.character,
  block: FileType.block,
  fifo: FileType.fifo,
};

/**
 * Applies the members of one layer to the tree, and their data to the image (OCI image specification, layer.md).
 *
 * As on disk with containerd and umoci: paths are taken inside the root, symbolic links in the middle of a path are
 * followed inside the root, the last part never is.
 */
export class LayerApplier implements TarHandler {
  readonly #tree: Tree;
  readonly #writer: ErofsWriter;
  readonly #totals: Totals;
  readonly #whiteouts: boolean;
  #isFile = false;
  #place: Place | undefined;
  #inode: Inode | undefined;

  /** @param whiteouts whether names that begin with `.wh.` delete files of lower layers. */
  constructor(tree: Tree, writer: ErofsWriter, totals: Totals, whiteouts: boolean) {
    this.#tree = tree;
    this.#writer = writer;
    this.#totals = totals;
    this.#whiteouts = whiteouts;
  }

  entry(entry: TarEntry): void {
    this.#count(entry);
    this.#isFile = false;
    if (this.#whiteouts && this.#applyWhiteout(entry)) return;
    const place = this.#tree.locate(entry.path, true);
    if (place === undefined) return;
    if (place.name === "" && entry.type !== "directory") {
      throw new SmolError("image.bad_entry", `the root of the image is described as a ${entry.type}`);
    }
    if (entry.type === "link") this.#link(entry, place);
    else this.#make(entry, place, fileTypes[entry.type]);
  }

  data(bytes: Uint8Array): void {
    if (this.#isFile) this.#writer.write(bytes);
  }

  end(): void {
    if (!this.#isFile) return;
    this.#isFile = false;
    this.#writer.endFile();
    const { place, inode } = { place: this.#place, inode: this.#inode };
    // Only a complete file takes the place of the one before.
    if (place !== undefined && inode !== undefined) this.#tree.put(place, inode);
  }

  #make(entry: TarEntry, place: Place, type: FileTypeBits): void {
    const inode = new Inode(type, storable(entry.attributes));
    if (type === FileType.symlink) inode.target = checkTarget(entry);
    if (type === FileType.character || type === FileType.block) {
      checkDevice(entry);
      inode.major = entry.major;
      inode.minor = entry.minor;
    }
    if (type !== FileType.regular) {
      this.#tree.put(place, inode);
      return;
    }
    if (entry.runs === undefined) this.#writer.beginFile(inode, entry.size);
    else this.#writer.beginSparseFile(inode, entry.size, entry.runs);
    this.#isFile = true;
    this.#inode = inode;
    this.#place = place;
  }

  #link(entry: TarEntry, place: Place): void {
    const target = this.#tree.locate(entry.target, false);
    const inode = target === undefined ? undefined : this.#tree.at(target);
    const names = `${printable(entry.path)} -> ${printable(entry.target)}`;
    if (inode === undefined)
      throw new SmolError("image.bad_entry", `hard link to a file that is not there: ${names}`);
    if (inode.children !== undefined)
      throw new SmolError("image.bad_entry", `hard link to a directory: ${names}`);
    this.#tree.link(place, inode);
  }

  /** @returns whether the entry was one that deletes, and so makes no file. */
  #applyWhiteout(entry: TarEntry): boolean {
    const whiteout = whiteoutOf(entry.path);
    if (whiteout === undefined) return false;
    if (whiteout.kind === "ignored") return true;
    const place = this.#tree.locate(whiteout.path, false);
    if (place === undefined) return true;
    if (whiteout.kind === "file") this.#tree.removeLower(place);
    else {
      const directory = this.#tree.at(place);
      if (directory?.children !== undefined) this.#tree.clearLower(directory);
    }
    return true;
  }

  #count(entry: TarEntry): void {
    this.#totals.entries++;
    if (this.#totals.entries > limits.entries) {
      throw new SmolError("image.limit", `the image has more than ${limits.entries} entries`);
    }
    this.#totals.bytes += entry.runs === undefined ? entry.size : 0;
    if (this.#totals.bytes > limits.totalBytes) {
      throw new SmolError("image.limit", `the files of the image have more than ${limits.totalBytes} bytes`);
    }
  }
}

/**
 * Attributes without those that must not, or cannot, be in an image: `trusted.overlay.*` and `user.overlay.*` would
 * let a layer fake whiteouts and redirects of the guest's overlayfs; namespaces unknown to EROFS mean nothing to Linux.
 */
export function storable(attributes: Attributes): Attributes {
  if (attributes.xattrs.length === 0) return attributes;
  const xattrs = attributes.xattrs.filter(
    (xattr, index, all) =>
      !/^(trusted|user)\.overlay\./.test(xattr.name) &&
      isStorable(xattr) &&
      xattr.name !== all[index + 1]?.name,
  );
  return { ...attributes, xattrs };
}

function checkTarget(entry: TarEntry): string {
  if (entry.target === "" || entry.target.length >= limits.pathBytes) {
    throw new SmolError(
      "image.bad_entry",
      `a symbolic link has no target, or one too long: ${printable(entry.path)}`,
    );
  }
  return entry.target;
}

function checkDevice(entry: TarEntry): void {
  const { major, minor } = entry;
  if (major < 0 || major > 0xfff || minor < 0 || minor > 0xfffff) {
    throw new SmolError(
      "image.bad_entry",
      `device number out of range: ${printable(entry.path)} ${major}:${minor}`,
    );
  }
}
