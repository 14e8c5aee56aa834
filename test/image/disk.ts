/** Disks out of several files, as QEMU reads them; shares no code with what writes them. */
import { closeSync, openSync, readFileSync, readSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

interface Extent {
  readonly path: string;
  /** Where it begins on the disk and in the file, and how long it is, in bytes. */
  readonly start: number;
  readonly offset: number;
  readonly length: number;
}

/** A disk that is one file, or that a VMDK descriptor joins out of several. */
export class Disk implements Disposable {
  readonly size: number;
  readonly extents: readonly Extent[];
  readonly #open = new Map<string, number>();

  constructor(path: string) {
    this.extents = path.endsWith(".vmdk") ? parse(path) : [whole(path)];
    this.size = this.extents.reduce((sum, { length }) => sum + length, 0);
  }

  /** Bytes of the disk; fewer at its end. */
  read(position: number, length: number): Buffer {
    const bytes = Buffer.alloc(Math.min(length, Math.max(0, this.size - position)));
    for (const extent of this.extents) {
      const from = Math.max(position, extent.start);
      const to = Math.min(position + bytes.length, extent.start + extent.length);
      if (from >= to) continue;
      const at = extent.offset + from - extent.start;
      const count = readSync(this.#fd(extent.path), bytes, from - position, to - from, at);
      if (count !== to - from) throw new Error(`an extent is longer than its file: ${extent.path}`);
    }
    return bytes;
  }

  [Symbol.dispose](): void {
    for (const fd of this.#open.values()) closeSync(fd);
    this.#open.clear();
  }

  #fd(path: string): number {
    const fd = this.#open.get(path) ?? openSync(path, "r");
    this.#open.set(path, fd);
    return fd;
  }
}

function whole(path: string): Extent {
  return { path, start: 0, offset: 0, length: statSync(path).size };
}

function parse(descriptor: string): Extent[] {
  const lines = readFileSync(descriptor, "utf8").split("\n");
  if (lines[0] !== "# Disk DescriptorFile") throw new Error("not a VMDK descriptor");
  // QEMU reads on over an empty line, and would take the extent behind it twice.
  if (lines.slice(0, -1).includes("")) throw new Error("an empty line in a VMDK descriptor");
  let start = 0;
  return lines.flatMap((line) => {
    const match = /^RW (\d+) FLAT "([^"/][^"]{0,510})" (\d+)$/.exec(line);
    if (match === null) return [];
    const [, sectors, file = "", offset] = match;
    const length = Number(sectors) * 512;
    const extent = { path: join(dirname(descriptor), file), start, offset: Number(offset) * 512, length };
    start += length;
    return [extent];
  });
}

/** Calls `action` with a file that holds the whole disk, for tools that know nothing of descriptors. */
export function withJoined<Result>(path: string, action: (joined: string) => Result): Result {
  if (!path.endsWith(".vmdk")) return action(path);
  const joined = join(tmpdir(), `smolvm-joined-${process.pid}-${crypto.randomUUID()}`);
  try {
    using disk = new Disk(path);
    const fd = openSync(joined, "w");
    for (let at = 0; at < disk.size; at += STEP) writeSync(fd, disk.read(at, STEP));
    closeSync(fd);
    return action(joined);
  } finally {
    rmSync(joined, { force: true });
  }
}

const STEP = 4 << 20;
