/**
 * A second judge: reads EROFS images on its own, written from the kernel's description of the format and sharing no
 * code with the writer. (fsck.erofs 1.5 restores neither attributes, nanoseconds nor setuid bits, and loses holes.)
 */
import { Disk } from "./disk.ts";
import type { Listed, Listing } from "./listing.ts";

const BLOCK = 4096;
const HOLE = 0xffffffff;
const prefixes: Record<number, string> = {
  1: "user.",
  2: "system.posix_acl_access",
  3: "system.posix_acl_default",
  4: "trusted.",
  6: "security.",
};
const entryTypes: Record<number, number> = {
  1: 0o100000,
  2: 0o040000,
  3: 0o020000,
  4: 0o060000,
  5: 0o010000,
  6: 0o140000,
  7: 0o120000,
};

interface DiskInode {
  nid: number;
  layout: number;
  mode: number;
  size: number;
  union: number;
  uid: number;
  gid: number;
  mtimeNs: bigint;
  links: number;
  xattrSize: number;
  /** Byte offset behind the fixed part. */
  behind: number;
}

/** Reads a whole image: a file, or the disk that a descriptor (`.vmdk`) joins. @throws Error for everything that the format does not allow. */
export function readErofs(path: string): Listing {
  using disk = new Disk(path);
  return new Reader(disk).list();
}

class Reader {
  readonly #disk: Disk;
  readonly #meta: number;
  readonly #root: number;
  readonly #inodes: bigint;

  constructor(disk: Disk) {
    this.#disk = disk;
    const block = this.#read(1024, 128);
    expect(block.readUInt32LE(0) === 0xe0f5e1e2, "magic");
    expect(block[12] === 12, "block size");
    expect((block.readUInt32LE(80) & ~4) === 0, "incompatible features");
    this.#root = block.readUInt16LE(14);
    this.#inodes = block.readBigUInt64LE(16);
    expect(block.readUInt32LE(36) * BLOCK === disk.size, "size");
    this.#meta = block.readUInt32LE(40) * BLOCK;
  }

  list(): Listing {
    const listing: Listing = new Map();
    const seen = new Map<number, number>();
    const first = new Map<number, string>();
    const visit = (nid: number, path: string, parent: number, type: number) => {
      const inode = this.#inode(nid);
      expect((inode.mode & 0o170000) === type, `type of ${path}`);
      seen.set(nid, (seen.get(nid) ?? 0) + 1);
      const listed = this.#describe(inode);
      const linkTo = first.get(nid);
      if (linkTo === undefined) first.set(nid, path);
      else listed.sameAs = linkTo;
      listing.set(path, listed);
      if (type === 0o040000) {
        expect(seen.get(nid) === 1, `second way to the directory ${path}`);
        let directories = 2;
        for (const entry of this.#entries(inode)) {
          if (entry.name === ".") expect(entry.nid === nid, `. of ${path}`);
          else if (entry.name === "..") expect(entry.nid === parent, `.. of ${path}`);
          else visit(entry.nid, path === "/" ? `/${entry.name}` : `${path}/${entry.name}`, nid, entry.type);
          if (entry.type === 0o040000 && entry.name !== "." && entry.name !== "..") directories++;
        }
        expect(inode.links === directories, `links of ${path}`);
      }
    };
    visit(this.#root, "/", this.#root, 0o040000);
    for (const [nid, count] of seen) {
      const inode = this.#inode(nid);
      if ((inode.mode & 0o170000) !== 0o040000) expect(inode.links === count, `links of ${first.get(nid)}`);
    }
    expect(BigInt(seen.size) === this.#inodes, "number of inodes");
    return listing;
  }

  #describe(inode: DiskInode): Listed {
    const type = inode.mode & 0o170000;
    const listed: Listed = {
      mode: inode.mode,
      uid: inode.uid,
      gid: inode.gid,
      size: type === 0o100000 ? inode.size : 0,
      mtimeNs: inode.mtimeNs,
      device: type === 0o020000 || type === 0o060000 ? `${major(inode.union)}:${minor(inode.union)}` : "",
      target: type === 0o120000 ? Buffer.concat([...this.#data(inode)]).toString("latin1") : "",
      sha256: "",
      xattrs: this.#xattrs(inode),
      sameAs: "",
    };
    if (type === 0o100000) {
      const hasher = new Bun.CryptoHasher("sha256");
      for (const chunk of this.#data(inode)) hasher.update(chunk);
      listed.sha256 = hasher.digest("hex");
    }
    return listed;
  }

  #inode(nid: number): DiskInode {
    const at = this.#meta + nid * 32;
    const head = this.#read(at, 64);
    const format = head.readUInt16LE(0);
    expect((format & 1) === 1, "extended inode");
    expect(at % BLOCK <= BLOCK - 64, "inode across blocks");
    const count = head.readUInt16LE(2);
    return {
      nid,
      layout: (format >> 1) & 7,
      mode: head.readUInt16LE(4),
      size: Number(head.readBigUInt64LE(8)),
      union: head.readUInt32LE(16),
      uid: head.readUInt32LE(24),
      gid: head.readUInt32LE(28),
      mtimeNs: head.readBigInt64LE(32) * 1_000_000_000n + BigInt(head.readUInt32LE(40)),
      links: head.readUInt32LE(44),
      xattrSize: count === 0 ? 0 : 12 + 4 * (count - 1),
      behind: at + 64,
    };
  }

  #xattrs(inode: DiskInode): string {
    if (inode.xattrSize === 0) return "";
    const area = this.#read(inode.behind, inode.xattrSize);
    expect(area[4] === 0, "shared attributes");
    const found: string[] = [];
    for (let at = 12; at < area.length; ) {
      const nameLength = area[at] ?? 0;
      const valueLength = area.readUInt16LE(at + 2);
      const prefix = prefixes[area[at + 1] ?? 0];
      expect(prefix !== undefined, "attribute namespace");
      const end = at + 4 + nameLength + valueLength;
      expect(end <= area.length, "attribute size");
      const name = `${prefix}${area.toString("latin1", at + 4, at + 4 + nameLength)}`;
      found.push(`${name}=${area.toString("hex", at + 4 + nameLength, end)}`);
      at = (end + 3) & ~3;
    }
    expect(new Set(found).size === found.length, "attribute twice");
    return found.sort().join(" ");
  }

  *#data(inode: DiskInode): Generator<Buffer> {
    const behind = inode.behind + inode.xattrSize;
    if (inode.layout === 4) {
      yield* this.#chunks(inode, behind);
      return;
    }
    expect(inode.layout === 0 || inode.layout === 2, "layout");
    const tail = inode.layout === 2 ? inode.size % BLOCK : 0;
    if (inode.layout === 2) {
      expect(tail > 0, "inline layout without a tail");
      expect((behind % BLOCK) + tail <= BLOCK, "tail across blocks");
      expect(
        Math.floor(inode.behind / BLOCK) === Math.floor(behind / BLOCK),
        "attributes before a tail across blocks",
      );
    }
    yield* this.#range(inode.union * BLOCK, inode.size - tail);
    if (tail > 0) yield this.#read(behind, tail);
    else if (inode.size % BLOCK !== 0) {
      const used = inode.size % BLOCK;
      const padding = this.#read(inode.union * BLOCK + inode.size, BLOCK - used);
      expect(
        padding.every((byte) => byte === 0),
        "zeros behind the data",
      );
    }
  }

  *#chunks(inode: DiskInode, behind: number): Generator<Buffer> {
    expect((inode.union & ~0x1f) === 0, "chunk format");
    const chunk = BLOCK * 2 ** (inode.union & 0x1f);
    for (let index = 0, left = inode.size; left > 0; index++, left -= chunk) {
      const block = this.#read(behind + index * 4, 4).readUInt32LE(0);
      const length = Math.min(chunk, left);
      if (block !== HOLE) yield* this.#range(block * BLOCK, length);
      else for (let done = 0; done < length; done += zeros.length) yield zeros.subarray(0, length - done);
    }
  }

  *#range(start: number, length: number): Generator<Buffer> {
    for (let done = 0; done < length; done += 1 << 20)
      yield this.#read(start + done, Math.min(1 << 20, length - done));
  }

  #entries(inode: DiskInode): { name: string; nid: number; type: number }[] {
    const data = Buffer.concat([...this.#data(inode)]);
    const entries: { name: string; nid: number; type: number }[] = [];
    for (let start = 0; start < data.length; start += BLOCK) {
      const block = data.subarray(start, start + BLOCK);
      const count = block.readUInt16LE(8) / 12;
      expect(Number.isInteger(count) && count > 0, "first name of a directory block");
      for (let index = 0; index < count; index++) {
        const from = block.readUInt16LE(index * 12 + 8);
        const to = index + 1 < count ? block.readUInt16LE(index * 12 + 20) : block.length;
        const name = block.toString("latin1", from, to).replace(/\0+$/, "");
        expect(name !== "" && !name.includes("/") && !name.includes("\0"), "name");
        const type = entryTypes[block[index * 12 + 10] ?? 0];
        expect(type !== undefined, "type of an entry");
        entries.push({ name, nid: Number(block.readBigUInt64LE(index * 12)), type: type ?? 0 });
      }
    }
    const names = entries.map(({ name }) => name);
    expect(
      names.every((name, index) => index === 0 || (names[index - 1] ?? "") < name),
      "order of names",
    );
    expect(names.includes(".") && names.includes(".."), "dots");
    return entries;
  }

  #read(position: number, length: number): Buffer {
    const buffer = this.#disk.read(position, length);
    expect(buffer.length === length, "end of the image");
    return buffer;
  }
}

const zeros = Buffer.alloc(1 << 20);
const major = (device: number) => (device >>> 8) & 0xfff;
const minor = (device: number) => (device & 0xff) | ((device >>> 12) & 0xfff00);

function expect(condition: boolean, what: string): void {
  if (!condition) throw new Error(`not a valid EROFS image: ${what}`);
}
