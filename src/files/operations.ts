/** What each request of the FUSE protocol asks of a filesystem (linux/fuse.h has the structures). */
import { Errno, FileError, refuse } from "./errno.ts";
import type { Caller, DirectoryEntry } from "./filesystem.ts";
import { checkName } from "./names.ts";
import type { SessionState } from "./session.ts";
import {
  FSYNC_DATA_ONLY,
  GETATTR_HANDLE,
  MAX_IO,
  OPEN_KILL_SET_ID,
  Opcode,
  OpenReply,
  OUT_HEADER,
  WRITE_KILL_SET_ID,
  WRITE_PAGE,
} from "./wire/opcodes.ts";
import { attributesReply, ENTRY, entryReply, putEntry, Reply, spaceReply } from "./wire/reply.ts";
import type { FuseRequest } from "./wire/request.ts";
import { PERMISSIONS, readChanges } from "./wire/set-attributes.ts";

type Operation = (request: FuseRequest, state: SessionState) => Uint8Array | undefined;

/** @throws FileError what the guest is told */
export function answer(request: FuseRequest, state: SessionState): Uint8Array | undefined {
  const operation = operations[request.opcode];
  if (operation === undefined) refuse(Errno.ENOSYS);
  if (state.readOnly && changing.has(request.opcode)) refuse(Errno.EROFS);
  return operation(request, state);
}

/** Those that would change a volume; opening is looked at by itself. */
const changing: ReadonlySet<number> = new Set([
  Opcode.setattr,
  Opcode.symlink,
  Opcode.mknod,
  Opcode.mkdir,
  Opcode.unlink,
  Opcode.rmdir,
  Opcode.rename,
  Opcode.rename2,
  Opcode.link,
  Opcode.create,
  Opcode.write,
  Opcode.setxattr,
  Opcode.removexattr,
  Opcode.fallocate,
  Opcode.copyFileRange,
]);

const done = (request: FuseRequest): Uint8Array => new Reply(request.unique, 0).bytes;
const callerOf = ({ uid, gid }: FuseRequest): Caller => ({ uid, gid });
const nameIn = (request: FuseRequest): string => checkName(request.text());

/** stat(2), S_IFMT, and the types that a guest may make with mknod(2): no device. */
const TYPE = 0o170000;
const MAKEABLE = new Set([0o100000, 0o010000, 0o140000]);

/** open(2): O_ACCMODE, O_TRUNC. */
const ACCESS_MODE = 3;
const TRUNCATE = 0o1000;

const operations: Readonly<Record<number, Operation>> = {
  [Opcode.lookup]: (request, { filesystem, validity }) =>
    entryReply(request.unique, filesystem.lookup(request.node, nameIn(request)), validity).bytes,

  [Opcode.forget](request, { filesystem }) {
    filesystem.forget(request.node, Number(request.u64()));
    return undefined;
  },

  [Opcode.batchForget](request, { filesystem }) {
    const count = request.u32();
    request.skip(4);
    // A count that is more than there is ends at the end of the request.
    for (let i = 0; i < count; i++) filesystem.forget(Number(request.u64()), Number(request.u64()));
    return undefined;
  },

  [Opcode.getattr](request, { filesystem, validity }) {
    const flags = request.u32();
    request.skip(4);
    const handle = request.handle();
    const opened = (flags & GETATTR_HANDLE) === 0 ? undefined : handle;
    return attributesReply(request.unique, filesystem.getAttributes(request.node, opened), validity);
  },

  [Opcode.setattr](request, { filesystem, validity }) {
    const { changes, handle } = readChanges(request);
    return attributesReply(request.unique, filesystem.setAttributes(request.node, changes, handle), validity);
  },

  [Opcode.readlink](request, { filesystem }) {
    const target = filesystem.readLink(request.node);
    const reply = new Reply(request.unique, target.length);
    reply.body.set(target);
    return reply.bytes;
  },

  [Opcode.symlink](request, { filesystem, validity }) {
    const name = nameIn(request);
    const target = request.text();
    // PATH_MAX, its NUL included.
    if (target.length === 0 || target.length > 4095) refuse(Errno.ENAMETOOLONG);
    const entry = filesystem.symlink(request.node, name, target, callerOf(request));
    return entryReply(request.unique, entry, validity).bytes;
  },

  [Opcode.mknod](request, { filesystem, validity }) {
    const mode = request.u32();
    request.skip(12);
    if (!MAKEABLE.has(mode & TYPE)) refuse(Errno.EPERM);
    const wanted = mode & (TYPE | PERMISSIONS);
    const entry = filesystem.makeNode(request.node, nameIn(request), wanted, callerOf(request));
    return entryReply(request.unique, entry, validity).bytes;
  },

  [Opcode.mkdir](request, { filesystem, validity }) {
    const mode = request.u32() & PERMISSIONS;
    request.skip(4);
    const entry = filesystem.makeDirectory(request.node, nameIn(request), mode, callerOf(request));
    return entryReply(request.unique, entry, validity).bytes;
  },

  [Opcode.unlink](request, { filesystem }) {
    filesystem.unlink(request.node, nameIn(request));
    return done(request);
  },

  [Opcode.rmdir](request, { filesystem }) {
    filesystem.removeDirectory(request.node, nameIn(request));
    return done(request);
  },

  [Opcode.rename]: (request, state) => rename(request, state, request.handle(), 0),
  [Opcode.rename2](request, state) {
    const parent = request.handle();
    const flags = request.u32();
    request.skip(4);
    return rename(request, state, parent, flags);
  },

  [Opcode.link](request, { filesystem, validity }) {
    const node = request.handle();
    return entryReply(request.unique, filesystem.link(node, request.node, nameIn(request)), validity).bytes;
  },

  [Opcode.open](request, { filesystem, readOnly }) {
    const flags = request.u32();
    const kills = (request.u32() & OPEN_KILL_SET_ID) !== 0;
    if (readOnly && (flags & (ACCESS_MODE | TRUNCATE)) !== 0) refuse(Errno.EROFS);
    if (kills && !readOnly) filesystem.setAttributes(request.node, { killSetId: true });
    return openReply(request, filesystem.open(request.node, flags), OpenReply.keepCache);
  },

  [Opcode.create](request, { filesystem, validity }) {
    const flags = request.u32();
    const mode = request.u32() & PERMISSIONS;
    request.skip(8);
    const name = nameIn(request);
    const { entry, handle } = filesystem.create(request.node, name, mode, flags, callerOf(request));
    const reply = entryReply(request.unique, entry, validity, 16);
    putOpened(reply.view, OUT_HEADER + ENTRY, handle, OpenReply.keepCache);
    return reply.bytes;
  },

  [Opcode.read](request, { filesystem }) {
    const handle = request.handle();
    const offset = request.number();
    const size = Math.min(request.u32(), MAX_IO);
    const reply = new Reply(request.unique, size);
    return reply.cut(filesystem.read(handle, reply.body, offset));
  },

  [Opcode.write](request, { filesystem }) {
    const handle = request.handle();
    const offset = request.number();
    const size = request.u32();
    const flags = request.u32();
    request.skip(16);
    if (size > MAX_IO) refuse(Errno.EINVAL);
    if ((flags & WRITE_KILL_SET_ID) !== 0) filesystem.setAttributes(request.node, { killSetId: true });
    const isPage = (flags & WRITE_PAGE) !== 0;
    return writtenReply(request, filesystem.write(handle, request.bytes(size), offset, isPage));
  },

  [Opcode.statfs]: (request, { filesystem }) => spaceReply(request.unique, filesystem.space(request.node)),

  [Opcode.release]: release,
  [Opcode.releasedir]: release,

  [Opcode.fsync](request, { filesystem }) {
    const handle = request.handle();
    filesystem.sync(handle, (request.u32() & FSYNC_DATA_ONLY) !== 0);
    return done(request);
  },
  [Opcode.fsyncdir](request, { filesystem }) {
    const handle = request.handle();
    filesystem.sync(handle, (request.u32() & FSYNC_DATA_ONLY) !== 0);
    return done(request);
  },

  [Opcode.setxattr](request, { filesystem }) {
    const size = request.u32();
    const flags = request.u32();
    const name = attributeName(request.text());
    filesystem.setExtended(request.node, name, request.bytes(size), flags & 3);
    return done(request);
  },

  [Opcode.getxattr](request, { filesystem }) {
    const room = request.u32();
    request.skip(4);
    const name = request.text();
    // The kernel asks for these often, e.g. before each write; a volume has none of them.
    if (!isOurs(name)) refuse(Errno.ENODATA);
    return valueReply(request, filesystem.getExtended(request.node, name), room);
  },

  [Opcode.listxattr](request, { filesystem }) {
    const room = request.u32();
    const names = filesystem.listExtended(request.node).filter(isOurs);
    const text = names.map((name) => `${name}\0`).join("");
    return valueReply(request, Buffer.from(text, "latin1"), room);
  },

  [Opcode.removexattr](request, { filesystem }) {
    filesystem.removeExtended(request.node, attributeName(request.text()));
    return done(request);
  },

  [Opcode.opendir]: (request, { filesystem }) =>
    openReply(request, filesystem.openDirectory(request.node), 0),

  [Opcode.readdir]: (request, state) => readDirectory(request, state, false),
  [Opcode.readdirplus]: (request, state) => readDirectory(request, state, true),

  [Opcode.fallocate](request, { filesystem }) {
    const handle = request.handle();
    const offset = request.number();
    const length = request.number();
    filesystem.allocate(handle, request.u32(), offset, length);
    return done(request);
  },

  [Opcode.lseek](request, { filesystem }) {
    const handle = request.handle();
    const offset = request.number();
    const whence = request.u32();
    // SEEK_DATA, SEEK_HOLE: the kernel knows the others itself.
    if (whence !== 3 && whence !== 4) refuse(Errno.EINVAL);
    const reply = new Reply(request.unique, 8);
    reply.view.setBigUint64(OUT_HEADER, BigInt(filesystem.seek(handle, offset, whence)), true);
    return reply.bytes;
  },

  [Opcode.copyFileRange](request, { filesystem }) {
    const from = request.handle();
    const start = request.number();
    request.skip(8);
    const to = request.handle();
    const target = request.number();
    const length = Math.min(request.number(), MAX_COPY);
    return writtenReply(request, filesystem.copyRange(from, start, to, target, length));
  },

  // The answer to the request that it interrupts comes at once anyway.
  [Opcode.interrupt]: () => undefined,
  [Opcode.destroy]: done,
};

/** Of one request: a longer copy would hold up all others. The program that copies goes on behind it. */
const MAX_COPY = 16 * 1024 * 1024;

function rename(
  request: FuseRequest,
  { filesystem }: SessionState,
  parent: number,
  flags: number,
): Uint8Array {
  const name = nameIn(request);
  const newName = nameIn(request);
  // RENAME_WHITEOUT would make a device.
  if (flags > 2) refuse(Errno.EINVAL);
  filesystem.rename(request.node, name, parent, newName, flags);
  return done(request);
}

function release(request: FuseRequest, { filesystem }: SessionState): Uint8Array {
  filesystem.release(request.handle());
  return done(request);
}

function openReply(request: FuseRequest, handle: number, flags: number): Uint8Array {
  const reply = new Reply(request.unique, 16);
  putOpened(reply.view, OUT_HEADER, handle, flags);
  return reply.bytes;
}

/** `struct fuse_open_out`. */
function putOpened(view: DataView, at: number, handle: number, flags: number): void {
  view.setBigUint64(at, BigInt(handle), true);
  view.setUint32(at + 8, flags, true);
}

/** `struct fuse_write_out`. */
function writtenReply(request: FuseRequest, size: number): Uint8Array {
  const reply = new Reply(request.unique, 8);
  reply.view.setUint32(OUT_HEADER, size, true);
  return reply.bytes;
}

/** Of a guest's attributes only `user.` are the volume's, and of those none in which this program keeps owners. */
const isOurs = (name: string): boolean => name.startsWith("user.") && !name.startsWith("user.smolvm.");

function attributeName(name: string): string {
  if (name.length > 255) refuse(Errno.ERANGE);
  return isOurs(name) ? name : refuse(Errno.EOPNOTSUPP);
}

/** `struct fuse_getxattr_out` for who asks how long it is, the value itself for who has room. */
function valueReply(request: FuseRequest, value: Uint8Array, room: number): Uint8Array {
  if (room === 0) return writtenReply(request, value.length);
  if (value.length > room) refuse(Errno.ERANGE);
  const reply = new Reply(request.unique, value.length);
  reply.body.set(value);
  return reply.bytes;
}

/** `struct fuse_dirent`, bytes before the name. */
const DIRENT = 24;

/** Entries as many as fit; with `plus` each is looked up too, so that the guest need not ask for it. */
function readDirectory(request: FuseRequest, state: SessionState, plus: boolean): Uint8Array {
  const { filesystem, validity } = state;
  const handle = request.handle();
  const offset = request.u64();
  const room = Math.min(request.u32(), MAX_IO);
  const reply = new Reply(request.unique, room);
  const head = plus ? ENTRY : 0;
  let at = 0;
  const take = (entry: DirectoryEntry): boolean => {
    const size = (head + DIRENT + entry.name.length + 7) & ~7;
    if (at + size > room) return false;
    if (plus) putFound(reply.view, OUT_HEADER + at, request.node, entry.name);
    const dirent = OUT_HEADER + at + head;
    reply.view.setBigUint64(dirent, entry.inode, true);
    reply.view.setBigUint64(dirent + 8, entry.next, true);
    reply.view.setUint32(dirent + 16, entry.name.length, true);
    reply.view.setUint32(dirent + 20, entry.type, true);
    Buffer.from(reply.bytes.buffer).write(entry.name, dirent + DIRENT, "latin1");
    at += size;
    return true;
  };
  /** An entry that has gone meanwhile, and the two that are no names, have no node: the guest asks if it wants. */
  const putFound = (view: DataView, position: number, parent: number, name: string): void => {
    if (name === "." || name === "..") return;
    try {
      putEntry(view, position, filesystem.lookup(parent, checkName(name)), validity);
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
    }
  };
  filesystem.readDirectory(handle, offset, take);
  return reply.cut(at);
}
