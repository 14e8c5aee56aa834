/** A volume and requests to it, made by hand as the kernel makes them (linux/fuse.h). */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { OpenFlag, openAt } from "../../ffi/files.ts";
import { Folder } from "./folder/folder.ts";
import { HandleBudget } from "./folder/handles.ts";
import { Descriptors, MemoryBudget } from "./folder/inodes.ts";
import type { Watches } from "./replay/watches.ts";
import { Session } from "./session.ts";
import { IN_HEADER, Opcode, OUT_HEADER } from "./wire/opcodes.ts";

export interface Answer {
  /** 0, or a positive errno. */
  readonly errno: number;
  readonly body: Buffer;
}

const AT_FDCWD = -100;

/** The guest's kernel has applied its own mask; the process that serves files has none. That of the tests is kept. */
function withoutUmask<T>(work: () => T): T {
  const umask = process.umask(0);
  try {
    return work();
  } finally {
    process.umask(umask);
  }
}

/** Numbers, little endian: 4 bytes for a number, 8 for a bigint; texts end with NUL, bytes are as they are. */
export type Part = number | bigint | string | Uint8Array;

export function pack(...parts: readonly Part[]): Buffer {
  return Buffer.concat(
    parts.map((part) => {
      if (typeof part === "string") return Buffer.from(`${part}\0`, "latin1");
      if (typeof part !== "number" && typeof part !== "bigint") return part;
      const bytes = Buffer.alloc(typeof part === "number" ? 4 : 8);
      if (typeof part === "number") bytes.writeUInt32LE(part >>> 0);
      else bytes.writeBigUInt64LE(BigInt.asUintN(64, part));
      return bytes;
    }),
  );
}

/** A setattr of everything after `valid`, which most tests leave at zero. */
export const setattr = (
  v: TestVolume,
  node: number,
  valid: number,
  mode: number,
  uid = 0,
  gid = 0,
  size = 0n,
): Answer => v.ask(Opcode.setattr, node, valid, 0, 0n, size, 0n, 5n, 7n, 0n, 1, 2, 0, mode, 0, uid, gid, 0);

export interface TestVolumeOptions {
  readonly readOnly?: boolean;
  /** Who the server takes itself for; absent: who runs the tests. */
  readonly user?: { uid: number; gid: number };
  readonly descriptors?: number;
  readonly handles?: number;
  readonly memory?: MemoryBudget;
  /** What is shared, instead of a new directory. */
  readonly path?: string;
  readonly onError?: (error: unknown) => void;
  readonly watches?: Watches;
}

/** A real directory, shared; requests are answered by the real session. */
export class TestVolume {
  readonly path: string;
  readonly folder: Folder;
  readonly session: Session;
  readonly #made: string | undefined;
  #unique = 0n;
  /** Who asks. */
  uid = 0;
  gid = 0;

  constructor(options: TestVolumeOptions = {}) {
    this.#made = options.path === undefined ? mkdtempSync(`${tmpdir()}/smolvm-volume-`) : undefined;
    this.path = options.path ?? (this.#made as string);
    const root = openAt(AT_FDCWD, this.path, OpenFlag.pathOnly);
    this.folder = new Folder({
      root,
      descriptors: new Descriptors(options.descriptors ?? 64),
      handles: new HandleBudget(options.handles ?? 64),
      memory: options.memory ?? new MemoryBudget(10_000_000),
      user: options.user ?? { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
      readOnly: options.readOnly,
      watches: options.watches,
    });
    this.session = new Session(this.folder, {
      readOnly: options.readOnly ?? false,
      onError: options.onError,
    });
  }

  /** One request. */
  ask(opcode: number, node: number | bigint, ...parts: readonly Part[]): Answer {
    const body = pack(...parts);
    const head = pack(
      IN_HEADER + body.length,
      opcode,
      ++this.#unique,
      BigInt(node),
      this.uid,
      this.gid,
      1,
      0,
    );
    const reply = withoutUmask(() => this.session.answer(Buffer.concat([head, body])));
    if (reply === undefined) return { errno: 0, body: Buffer.alloc(0) };
    const bytes = Buffer.from(reply);
    return { errno: Math.abs(bytes.readInt32LE(4)), body: bytes.subarray(OUT_HEADER) };
  }

  /** Like `ask`, for what must succeed. @throws Error with the errno */
  get(opcode: number, node: number | bigint, ...parts: readonly Part[]): Buffer {
    const { errno, body } = this.ask(opcode, node, ...parts);
    if (errno !== 0) throw new Error(`opcode ${opcode}: errno ${errno}`);
    return body;
  }

  /** The node of a path below the root. */
  find(path: string): number {
    let node = 1;
    for (const name of path.split("/")) node = Number(this.get(Opcode.lookup, node, name).readBigUInt64LE(0));
    return node;
  }

  /** Handle of an opened file. */
  open(node: number, flags = 0): bigint {
    return this.get(Opcode.open, node, flags, 0).readBigUInt64LE(0);
  }

  create(parent: number, name: string, mode = 0o644, flags = 2): { node: number; handle: bigint } {
    const body = this.get(Opcode.create, parent, flags, 0o100000 | mode, 0, 0, name);
    return { node: Number(body.readBigUInt64LE(0)), handle: body.readBigUInt64LE(128) };
  }

  write(node: number, handle: bigint, text: string, offset = 0n): number {
    const bytes = Buffer.from(text);
    return this.get(Opcode.write, node, handle, offset, bytes.length, 0, 0n, 0, 0, bytes).readUInt32LE(0);
  }

  read(node: number, handle: bigint, size = 4096, offset = 0n): string {
    return this.get(Opcode.read, node, handle, offset, size, 0, 0n, 0, 0).toString();
  }

  /** Mode, uid, gid and size, as the guest sees them. */
  stat(node: number): { mode: number; uid: number; gid: number; size: number } {
    const body = this.get(Opcode.getattr, node, 0, 0, 0n);
    return {
      mode: body.readUInt32LE(16 + 60),
      uid: body.readUInt32LE(16 + 68),
      gid: body.readUInt32LE(16 + 72),
      size: Number(body.readBigUInt64LE(16 + 8)),
    };
  }

  /** Names in a directory, read with so much room for each answer. */
  names(node: number, room = 4096): string[] {
    const handle = this.get(Opcode.opendir, node, 0, 0).readBigUInt64LE(0);
    const names: string[] = [];
    for (let offset = 0n; ; ) {
      const body = this.get(Opcode.readdir, node, handle, offset, room, 0, 0n, 0, 0);
      if (body.length === 0) break;
      for (let at = 0; at < body.length; ) {
        const length = body.readUInt32LE(at + 16);
        names.push(body.toString("latin1", at + 24, at + 24 + length));
        offset = body.readBigUInt64LE(at + 8);
        at += (24 + length + 7) & ~7;
      }
    }
    this.get(Opcode.releasedir, node, handle, 0, 0, 0n);
    return names.filter((name) => name !== "." && name !== "..").sort();
  }

  stop(): void {
    this.folder.close();
    if (this.#made !== undefined) rmSync(this.#made, { recursive: true, force: true });
  }
}
