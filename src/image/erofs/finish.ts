import { ftruncateSync, writeSync } from "node:fs";
import { SmolError } from "../../errors.ts";
import { diskError } from "../disk.ts";
import { FileType, type Inode } from "../tree/inode.ts";
import { type DirectoryEntry, layoutDirectory, writeDirectoryBlock } from "./directory.ts";
import type { BlockAllocator } from "./extents.ts";
import { BLOCK, EXTENDED_INODE, Layout, LINKS_OFFSET, ROOT_OFFSET, SLOT, writeSuperblock } from "./format.ts";
import { deviceOf, encodeInode, fitsInline } from "./inodes.ts";
import { type OutputFile, RunWriter } from "./output.ts";
import { InodePlacer } from "./placer.ts";
import { xattrSize } from "./xattr.ts";

export interface Finish {
  readonly fd: number;
  readonly output: OutputFile;
  readonly allocator: BlockAllocator;
  readonly root: Inode;
  readonly chunked: boolean;
  readonly uuid: Uint8Array;
}

/** A directory, link or device, and where its parts go. */
interface Planned {
  readonly inode: Inode;
  readonly parent: Inode;
  /** Sorted names of a directory, `.` and `..` among them, and the first name of each of its blocks. */
  readonly names: readonly string[];
  readonly starts: readonly number[];
  readonly size: number;
  /** Whether the last part of the data stands behind the inode. */
  readonly inline: boolean;
  /** Offset of the inode in the metadata area, and of the first data block in the directory area. */
  readonly at: number;
  readonly block: number;
}

interface Plan {
  readonly planned: Planned[];
  /** Regular files that gained or lost a name after their inode was written. */
  readonly relinked: Inode[];
  readonly inodes: number;
  readonly metadataBlocks: number;
  readonly directoryBlocks: number;
}

/**
 * Writes directories, links and devices, corrects link counts, and ends with the superblock.
 *
 * @returns the size of the image in bytes, a multiple of the block size.
 */
export async function finishImage(finish: Finish): Promise<number> {
  const { fd, output, allocator, root } = finish;
  const plan = planTree(root);
  const directories = plan.directoryBlocks === 0 ? 0 : allocator.allocate(plan.directoryBlocks);
  const metadata = plan.metadataBlocks === 0 ? 0 : allocator.allocate(plan.metadataBlocks) * BLOCK;
  for (const { inode, at } of plan.planned) {
    inode.nid = (inode === root ? ROOT_OFFSET : metadata + at) / SLOT;
  }

  const firstBlock = Buffer.alloc(BLOCK);
  const data = new RunWriter(output);
  const inodes = new RunWriter(output);
  let end = 0;
  for (const planned of plan.planned.toSorted((a, b) => a.at - b.at)) {
    const { head, behind } = encodePlanned(planned, directories, data);
    if (planned.inode === root) {
      head.copy(firstBlock, ROOT_OFFSET);
      behind.copy(firstBlock, ROOT_OFFSET + head.length);
    } else {
      inodes.zeros(metadata + end, planned.at - end);
      inodes.append(metadata + planned.at, head);
      inodes.append(metadata + planned.at + head.length, behind);
      end = planned.at + head.length + behind.length;
    }
    await output.drain();
  }
  inodes.zeros(metadata + end, plan.metadataBlocks * BLOCK - end);
  data.flush();
  inodes.flush();
  await output.drain(true);

  try {
    correctLinks(fd, plan.relinked);
    await clearUnused(fd, allocator, output);
    ftruncateSync(fd, allocator.end * BLOCK);
    writeSuperblock(firstBlock, {
      inodes: plan.inodes,
      blocks: allocator.end,
      chunked: finish.chunked,
      uuid: finish.uuid,
    });
    writeSync(fd, firstBlock, 0, BLOCK, 0);
  } catch (error) {
    throw diskError(error);
  }
  return allocator.end * BLOCK;
}

/** Decides, in depth-first order of sorted names, where everything goes that is not written yet. */
function planTree(root: Inode): Plan {
  const planned: Planned[] = [];
  const relinked: Inode[] = [];
  const placer = new InodePlacer();
  const placed = new Set<Inode>();
  const state = { inodes: 0, blocks: 0 };
  const stack: { inode: Inode; parent: Inode }[] = [{ inode: root, parent: root }];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { inode, parent } = next;
    if (inode.links > 1 && inode.children === undefined) {
      if (placed.has(inode)) continue;
      placed.add(inode);
    }
    state.inodes++;
    if (inode.type === FileType.regular) {
      if (inode.links !== inode.writtenLinks) relinked.push(inode);
      continue;
    }
    const names = inode.children === undefined ? [] : [".", "..", ...inode.children.keys()].sort();
    planned.push(planOne(inode, parent, names, placer, state, inode === root));
    if (inode.children === undefined) continue;
    for (const name of names.toReversed()) {
      const child = inode.children.get(name);
      if (child !== undefined) stack.push({ inode: child, parent: inode });
    }
  }
  return {
    planned,
    relinked,
    inodes: state.inodes,
    metadataBlocks: placer.blocks,
    directoryBlocks: state.blocks,
  };
}

function planOne(
  inode: Inode,
  parent: Inode,
  names: readonly string[],
  placer: InodePlacer,
  state: { blocks: number },
  isRoot: boolean,
): Planned {
  const { starts, size } =
    inode.children === undefined ? { starts: [], size: inode.target.length } : layoutDirectory(names);
  const xattrs = xattrSize(inode.attributes.xattrs);
  const tail = size % BLOCK;
  const room = isRoot ? BLOCK - ROOT_OFFSET - EXTENDED_INODE - xattrs : 0;
  if (room < 0) {
    throw new SmolError(
      "image.limit",
      "the extended attributes of the root directory do not fit in an EROFS image",
    );
  }
  const inline = tail > 0 && (isRoot ? tail <= room : fitsInline(tail, inode.attributes.xattrs));
  const block = state.blocks;
  state.blocks += inline ? Math.floor(size / BLOCK) : Math.ceil(size / BLOCK);
  const at = isRoot ? 0 : placer.place(EXTENDED_INODE + xattrs + (inline ? tail : 0));
  return { inode, parent, names, starts, size, inline, at, block };
}

/** The inode, and what stands behind it; full blocks of directories go to `data`. */
function encodePlanned(
  planned: Planned,
  directories: number,
  data: RunWriter,
): { head: Buffer; behind: Buffer } {
  const { inode, size, inline } = planned;
  if (inode.children !== undefined) inode.links = 2 + countDirectories(inode.children);
  const block = size === 0 || (inline && size < BLOCK) ? 0 : directories + planned.block;
  const head = encodeInode(inode, {
    layout: inline ? Layout.inline : Layout.plain,
    size,
    union: size === 0 ? deviceOf(inode) : block,
  });
  const parts = inode.children === undefined ? [linkBlock(inode.target)] : directoryBlocks(planned);
  const behind = inline ? (parts.pop() ?? Buffer.alloc(0)).subarray(0, size % BLOCK) : Buffer.alloc(0);
  if (size > 0) for (const [index, part] of parts.entries()) data.append((block + index) * BLOCK, part);
  return { head, behind };
}

function linkBlock(target: string): Buffer {
  const block = Buffer.alloc(BLOCK);
  block.write(target, 0, "latin1");
  return block;
}

function directoryBlocks(planned: Planned): Buffer[] {
  const { inode, parent, names, starts } = planned;
  return starts.map((start, index) => {
    const entries = names.slice(start, starts[index + 1]).map((name): DirectoryEntry => {
      const child = name === "." ? inode : name === ".." ? parent : inode.children?.get(name);
      if (child === undefined) throw new Error("a directory changed while it was written");
      return { name, type: child.type, nid: child.nid };
    });
    const block = Buffer.alloc(BLOCK);
    writeDirectoryBlock(block, entries);
    return block;
  });
}

function countDirectories(children: ReadonlyMap<string, Inode>): number {
  let count = 0;
  for (const child of children.values()) if (child.children !== undefined) count++;
  return count;
}

function correctLinks(fd: number, inodes: readonly Inode[]): void {
  const bytes = Buffer.alloc(4);
  for (const inode of inodes) {
    bytes.writeUInt32LE(inode.links);
    writeSync(fd, bytes, 0, 4, inode.nid * SLOT + LINKS_OFFSET);
  }
}

/** Blocks of replaced files that nothing took again must cost no space. */
async function clearUnused(fd: number, allocator: BlockAllocator, output: OutputFile): Promise<void> {
  const unused = allocator.remaining();
  if (unused.length === 0) return;
  const { punchHole } = await import("./punch.ts");
  const zeros = new RunWriter(output);
  for (const { block, blocks } of unused) {
    if (punchHole(fd, block * BLOCK, blocks * BLOCK)) continue;
    zeros.zeros(block * BLOCK, blocks * BLOCK);
    await output.drain();
  }
  zeros.flush();
  await output.drain(true);
}
