/**
 * Reads the EROFS images that the writer makes, without mounting them: a machine's image, to say what the machine has
 * changed of it. The format is that of format.ts. The files are our own, so what is not as it was written is damage; but
 * inodes of small files come with packs (src/image/layer/check.ts), so that whatever they say is checked here.
 */
import { SmolError } from "../../errors.ts";
import { limits } from "../limits.ts";
import {
  type FileTree,
  FileType,
  type FileTypeBits,
  Listing,
  type OpenTreeFile,
  type TreeFile,
  type Xattr,
} from "../tree/index.ts";
import { MAX_CHUNKS } from "./chunks.ts";
import {
  BLOCK,
  EXTENDED_INODE,
  HOLE,
  Layout,
  MAGIC,
  SLOT,
  SUPERBLOCK_OFFSET,
  SUPERBLOCK_SIZE,
} from "./format.ts";
import { xattrPrefix } from "./xattr.ts";

/** The bytes of an image's disk, wherever they are. Throws for what is beyond its end. */
export interface ErofsSource {
  read(position: number, length: number): Buffer;
}

interface DiskInode {
  readonly layout: number;
  readonly size: number;
  /** Block, device number or size of chunks. */
  readonly union: number;
  /** Byte behind the inode and its attributes. */
  readonly behind: number;
}

const types: ReadonlySet<number> = new Set(Object.values(FileType));

export class Erofs implements FileTree {
  readonly root: TreeFile;
  readonly #source: ErofsSource;
  readonly #metadata: number;
  readonly #inodes = new WeakMap<TreeFile, DiskInode>();

  /** @throws SmolError `image.layer_damaged` */
  constructor(source: ErofsSource) {
    this.#source = source;
    const block = source.read(SUPERBLOCK_OFFSET, SUPERBLOCK_SIZE);
    if (block.readUInt32LE(0) !== MAGIC) throw damaged("it has no superblock");
    this.#metadata = block.readUInt32LE(40) * BLOCK;
    this.root = this.#file(block.readUInt16LE(14));
  }

  entries(directory: TreeFile): ReadonlyMap<string, TreeFile> {
    const found = new Map<string, TreeFile>();
    const listing = new Listing();
    const { size, read } = this.#open(directory);
    for (let start = 0; start < size; start += BLOCK) {
      const block = read(start, Math.min(BLOCK, size - start));
      const count = block.length < 12 ? 0 : block.readUInt16LE(8) / 12;
      if (!Number.isInteger(count) || count === 0 || count * 12 > block.length)
        throw damaged("a directory is none");
      for (let index = 0; index < count; index++) {
        const from = block.readUInt16LE(index * 12 + 8);
        const to = index + 1 < count ? block.readUInt16LE(index * 12 + 20) : block.length;
        const name = block.toString("latin1", from, to).replace(/\0+$/, "");
        if (name === "." || name === "..") continue;
        const file = this.#file(Number(block.readBigUInt64LE(index * 12)));
        listing.add(file);
        found.set(name, file);
      }
    }
    return found;
  }

  open(file: TreeFile): OpenTreeFile {
    const { read, runs } = this.#open(file);
    return { runs, read };
  }

  #open(file: TreeFile): OpenTreeFile & { readonly size: number } {
    const inode = this.#inodes.get(file);
    if (inode === undefined) throw new TypeError("a file of another tree");
    const { size } = inode;
    if (inode.layout === Layout.chunked) return { size, ...this.#chunks(inode) };
    if (inode.layout !== Layout.plain && inode.layout !== Layout.inline)
      throw damaged("a file has no layout");
    const tail = inode.layout === Layout.inline ? size % BLOCK : 0;
    const read = (offset: number, length: number) => {
      const plain = Math.max(0, Math.min(length, size - tail - offset));
      const first = plain === 0 ? [] : [this.#source.read(inode.union * BLOCK + offset, plain)];
      const inTail = offset + plain - (size - tail);
      const second = length === plain ? [] : [this.#source.read(inode.behind + inTail, length - plain)];
      return first.length + second.length === 1
        ? (first[0] ?? (second[0] as Buffer))
        : Buffer.concat([...first, ...second]);
    };
    return { size, runs: size === 0 ? [] : [{ offset: 0, length: size }], read };
  }

  #chunks({ size, union, behind }: DiskInode): OpenTreeFile {
    const chunk = BLOCK * 2 ** (union & 0x1f);
    const count = Math.ceil(size / chunk);
    if (count > MAX_CHUNKS) throw damaged("a file has too many chunks");
    const map = this.#source.read(behind, count * 4);
    const blockOf = (index: number) => map.readUInt32LE(index * 4);
    const runs: { offset: number; length: number }[] = [];
    for (let index = 0; index < count; index++) {
      if (blockOf(index) === HOLE) continue;
      const offset = index * chunk;
      const length = Math.min(chunk, size - offset);
      const last = runs.at(-1);
      if (last !== undefined && last.offset + last.length === offset) last.length += length;
      else runs.push({ offset, length });
    }
    const read = (offset: number, length: number) => {
      const parts: Buffer[] = [];
      for (let at = offset; at < offset + length; ) {
        const inside = at % chunk;
        const part = Math.min(chunk - inside, offset + length - at);
        parts.push(this.#source.read(blockOf(Math.floor(at / chunk)) * BLOCK + inside, part));
        at += part;
      }
      return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
    };
    return { runs, read };
  }

  #file(number: number): TreeFile {
    const at = this.#metadata + number * SLOT;
    const head = this.#source.read(at, EXTENDED_INODE);
    const format = head.readUInt16LE(0);
    const mode = head.readUInt16LE(4);
    const type = mode & 0o170000;
    const size = Number(head.readBigUInt64LE(8));
    if ((format & 1) !== 1 || !types.has(type) || size > limits.fileBytes) throw damaged("an inode is none");
    const words = head.readUInt16LE(2);
    const xattrBytes = words === 0 ? 0 : 12 + 4 * (words - 1);
    const behind = at + EXTENDED_INODE + xattrBytes;
    const inode: DiskInode = { layout: (format >> 1) & 7, size, union: head.readUInt32LE(16), behind };
    const isDevice = type === FileType.character || type === FileType.block;
    const file: TreeFile = {
      type: type as FileTypeBits,
      attributes: {
        permissions: mode & 0o7777,
        uid: head.readUInt32LE(24),
        gid: head.readUInt32LE(28),
        seconds: Number(head.readBigInt64LE(32)),
        nanoseconds: head.readUInt32LE(40),
        xattrs: xattrBytes === 0 ? [] : readXattrs(this.#source.read(at + EXTENDED_INODE, xattrBytes)),
      },
      size: type === FileType.regular ? size : 0,
      target: "",
      major: isDevice ? (inode.union >>> 8) & 0xfff : 0,
      minor: isDevice ? (inode.union & 0xff) | ((inode.union >>> 12) & 0xfff00) : 0,
      id: number,
      links: head.readUInt32LE(44),
    };
    this.#inodes.set(file, inode);
    if (type !== FileType.symlink) return file;
    if (size >= limits.pathBytes) throw damaged("a link is too long");
    const link = { ...file, target: this.#open(file).read(0, size).toString("latin1") };
    this.#inodes.set(link, inode);
    return link;
  }
}

function readXattrs(area: Buffer): Xattr[] {
  const found: Xattr[] = [];
  for (let at = 12; at + 4 <= area.length; ) {
    const nameLength = area[at] as number;
    const prefix = xattrPrefix(area[at + 1] as number);
    const nameEnd = at + 4 + nameLength;
    const end = nameEnd + area.readUInt16LE(at + 2);
    if (prefix === undefined || end > area.length || found.length === limits.xattrs)
      throw damaged("an attribute is none");
    const name = `${prefix}${area.toString("latin1", at + 4, nameEnd)}`;
    found.push({ name, value: Buffer.from(area.subarray(nameEnd, end)) });
    at = (end + 3) & ~3;
  }
  return found;
}

const damaged = (what: string): SmolError =>
  new SmolError("image.layer_damaged", `the image is damaged: ${what}`, {
    hint: "remove it and pull it again; a machine that needs it keeps it",
  });
