import { SmolError } from "../../errors.ts";
import { BLOCK } from "../erofs/index.ts";
import type { LayerEntry } from "../layer/index.ts";
import {
  type FileData,
  FileType,
  type FileTypeBits,
  Inode,
  impliedDirectory,
  type Place,
  printable,
  splitPath,
  type Tree,
} from "../tree/index.ts";

type Deletion = Extract<LayerEntry, { kind: "whiteout" | "opaque" }>;
type Link = Extract<LayerEntry, { kind: "link" }>;
type FileEntry = Exclude<LayerEntry, { kind: "link" | "whiteout" | "opaque" }>;

const fileTypes: Record<FileEntry["kind"], FileTypeBits> = {
  file: FileType.regular,
  sparse: FileType.regular,
  small: FileType.regular,
  directory: FileType.directory,
  symlink: FileType.symlink,
  character: FileType.character,
  block: FileType.block,
  fifo: FileType.fifo,
  socket: FileType.socket,
};

/**
 * Applies the entries of one layer to the tree, on top of what it holds.
 *
 * As on disk with containerd and umoci: paths are taken inside the root, symbolic links in the middle of a path are
 * followed inside the root, the last part never is.
 *
 * @param base block of the disk where the layer's data begins.
 * @throws SmolError for entries that make no sense on top of the layers below.
 */
export function applyLayer(tree: Tree, entries: Iterable<LayerEntry>, base: number): void {
  tree.nextLayer();
  const hidden: Hidden = new Map();
  for (const entry of entries) {
    if ("hidden" in entry && entry.hidden) hide(tree, hidden, entry, base);
    else applyEntry(tree, hidden, entry, base);
  }
}

/** Files that are in no directory, by their normalised paths: what links of the same layer may name. */
type Hidden = Map<string, Inode>;

function hide(tree: Tree, hidden: Hidden, entry: Link | FileEntry, base: number): void {
  const inode = entry.kind === "link" ? findTarget(tree, hidden, entry) : makeInode(entry, base);
  if (inode === undefined) return;
  if (entry.kind !== "link") inode.layer = tree.layer;
  hidden.set(splitPath(entry.path).join("/"), inode);
}

function applyEntry(tree: Tree, hidden: Hidden, entry: LayerEntry, base: number): void {
  if (entry.kind === "whiteout" || entry.kind === "opaque") {
    applyWhiteout(tree, entry);
    return;
  }
  const place = tree.locate(entry.path, true);
  if (place === undefined) return;
  if (place.name === "" && entry.kind !== "directory") {
    throw new SmolError("image.bad_entry", `the root of the image is described as a ${nameOf(entry.kind)}`);
  }
  if (entry.kind === "link") link(tree, hidden, entry, place);
  else tree.put(place, makeInode(entry, base));
}

function makeInode(entry: FileEntry, base: number): Inode {
  const attributes = entry.kind === "small" ? impliedDirectory : entry.attributes;
  const inode = new Inode(fileTypes[entry.kind], attributes);
  if (entry.kind === "symlink") inode.target = entry.target;
  else if (entry.kind === "character" || entry.kind === "block") {
    inode.major = entry.major;
    inode.minor = entry.minor;
  }
  inode.data = dataOf(entry, base);
  return inode;
}

function dataOf(entry: FileEntry, base: number): FileData | undefined {
  switch (entry.kind) {
    case "file":
      return { kind: "blocks", size: entry.size, block: base + entry.block };
    case "sparse": {
      const { size, block, chunkBits, ranges } = entry;
      return { kind: "chunks", size, block: base + block, chunkBits, ranges };
    }
    case "small":
      // Its attributes are in the inode, and stay there.
      return { kind: "ready", position: base * BLOCK + entry.position, bytes: entry.bytes };
    default:
      return undefined;
  }
}

function findTarget(tree: Tree, hidden: Hidden, { target }: Link): Inode | undefined {
  const found = hidden.size > 0 ? hidden.get(splitPath(target).join("/")) : undefined;
  if (found !== undefined) return found;
  const place = tree.locate(target, false);
  return place === undefined ? undefined : tree.at(place);
}

function link(tree: Tree, hidden: Hidden, entry: Link, place: Place): void {
  const inode = findTarget(tree, hidden, entry);
  const names = `${printable(entry.path)} -> ${printable(entry.target)}`;
  if (inode === undefined)
    throw new SmolError("image.bad_entry", `hard link to a file that is not there: ${names}`);
  if (inode.children !== undefined)
    throw new SmolError("image.bad_entry", `hard link to a directory: ${names}`);
  tree.link(place, inode);
}

function applyWhiteout(tree: Tree, entry: Deletion): void {
  const place = tree.locate(entry.path, false);
  if (place === undefined) return;
  if (entry.kind === "whiteout") {
    tree.removeLower(place);
    return;
  }
  const directory = tree.at(place);
  if (directory?.children !== undefined) tree.clearLower(directory);
}

const nameOf = (kind: LayerEntry["kind"]) => (kind === "small" || kind === "sparse" ? "file" : kind);
