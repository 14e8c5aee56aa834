import { SmolError } from "../../errors.ts";
import { FileType, type Inode } from "../tree/inode.ts";
import { mapSize } from "./chunks.ts";
import { layoutDirectory } from "./directory.ts";
import { BLOCK, ROOT_OFFSET, SLOT } from "./format.ts";
import { fitsInline, inodeSize } from "./inode.ts";
import { InodePlacer } from "./placer.ts";

/** A file whose inode has to be written, and where its parts go. */
export interface Planned {
  readonly inode: Inode;
  readonly parent: Inode;
  /** Sorted names of a directory, `.` and `..` among them, and the first name of each of its blocks. */
  readonly names: readonly string[];
  readonly starts: readonly number[];
  /** Bytes of a directory or link target. */
  readonly size: number;
  /** Whether the last part of a directory or link target stands behind the inode. */
  readonly inline: boolean;
  /** Offset of the inode in the area of inodes, and of the first data block in the area of directories. */
  readonly at: number;
  readonly block: number;
}

export interface Plan {
  /** Ordered by `at`; the root is the first. */
  readonly planned: readonly Planned[];
  readonly inodes: number;
  readonly inodeBlocks: number;
  readonly directoryBlocks: number;
  /** Whether there are chunked files. */
  readonly chunked: boolean;
}

interface State {
  readonly placer: InodePlacer;
  readonly planned: Planned[];
  inodes: number;
  blocks: number;
  chunked: boolean;
}

/** Decides, in depth-first order of sorted names, where everything goes that is not on the disk yet. */
export function planTree(root: Inode): Plan {
  const state: State = { placer: new InodePlacer(), planned: [], inodes: 0, blocks: 0, chunked: false };
  const placed = new Set<Inode>();
  const stack: { inode: Inode; parent: Inode }[] = [{ inode: root, parent: root }];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { inode, parent } = next;
    if (inode.links > 1 && inode.children === undefined) {
      if (placed.has(inode)) continue;
      placed.add(inode);
    }
    state.inodes++;
    if (inode.type === FileType.regular) {
      planFile(state, inode, parent);
      continue;
    }
    if (inode.children === undefined) {
      planOne(state, inode, parent, [], false);
      continue;
    }
    const names = [".", "..", ...inode.children.keys()].sort();
    planOne(state, inode, parent, names, inode === root);
    for (let index = names.length - 1; index >= 0; index--) {
      const child = inode.children.get(names[index] ?? "");
      if (child !== undefined) stack.push({ inode: child, parent: inode });
    }
  }
  const { placer, planned, inodes, blocks, chunked } = state;
  planned.sort((a, b) => a.at - b.at);
  return { planned, inodes, inodeBlocks: placer.blocks, directoryBlocks: blocks, chunked };
}

function planFile(state: State, inode: Inode, parent: Inode): void {
  const { data } = inode;
  if (data === undefined) throw new Error("a regular file without data");
  if (data.kind === "ready" && inode.links === 1) {
    inode.nid = data.position / SLOT;
    return;
  }
  let bytes = data.kind === "ready" ? data.bytes : inodeSize(inode.attributes.xattrs);
  if (data.kind === "chunks") {
    bytes += mapSize(data.size, data.chunkBits);
    state.chunked = true;
  }
  const at = state.placer.place(bytes);
  state.planned.push({ inode, parent, names: [], starts: [], size: 0, inline: false, at, block: 0 });
}

function planOne(state: State, inode: Inode, parent: Inode, names: readonly string[], isRoot: boolean): void {
  const { starts, size } =
    inode.children === undefined ? { starts: [], size: inode.target.length } : layoutDirectory(names);
  const own = inodeSize(inode.attributes.xattrs);
  const tail = size % BLOCK;
  const room = isRoot ? BLOCK - ROOT_OFFSET - own : 0;
  if (room < 0) {
    throw new SmolError(
      "image.limit",
      "the extended attributes of the root directory do not fit in an EROFS image",
    );
  }
  const inline = tail > 0 && (isRoot ? tail <= room : fitsInline(tail, inode.attributes.xattrs));
  const block = state.blocks;
  state.blocks += inline ? Math.floor(size / BLOCK) : Math.ceil(size / BLOCK);
  // The root is not in the area of inodes; -1 sorts it before all others.
  const at = isRoot ? -1 : state.placer.place(own + (inline ? tail : 0));
  state.planned.push({ inode, parent, names, starts, size, inline, at, block });
}
