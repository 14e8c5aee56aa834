/** Numbers of the FUSE protocol (Linux, include/uapi/linux/fuse.h, version 7.33 and what later ones kept). */

/** The version that this side speaks; a kernel with a later minor uses this one. */
export const FUSE_MAJOR = 7;
export const FUSE_MINOR = 33;

export const Opcode = {
  lookup: 1,
  forget: 2,
  getattr: 3,
  setattr: 4,
  readlink: 5,
  symlink: 6,
  mknod: 8,
  mkdir: 9,
  unlink: 10,
  rmdir: 11,
  rename: 12,
  link: 13,
  open: 14,
  read: 15,
  write: 16,
  statfs: 17,
  release: 18,
  fsync: 20,
  setxattr: 21,
  getxattr: 22,
  listxattr: 23,
  removexattr: 24,
  flush: 25,
  init: 26,
  opendir: 27,
  readdir: 28,
  releasedir: 29,
  fsyncdir: 30,
  access: 34,
  create: 35,
  interrupt: 36,
  destroy: 38,
  batchForget: 42,
  fallocate: 43,
  readdirplus: 44,
  rename2: 45,
  lseek: 46,
  copyFileRange: 47,
} as const;

/** FUSE_INIT, what both sides must want. */
export const InitFlag = {
  asyncRead: 1 << 0,
  atomicTruncate: 1 << 3,
  bigWrites: 1 << 5,
  autoInvalidate: 1 << 12,
  readdirplus: 1 << 13,
  readdirplusAuto: 1 << 14,
  asyncDirectIo: 1 << 15,
  parallelDirectoryOperations: 1 << 18,
  maxPages: 1 << 22,
  cacheSymlinks: 1 << 23,
  /** This side takes set-id bits away: else the kernel asks for `security.capability` before each write. */
  handleKillPriv: 1 << 28,
} as const;

/** FATTR_*: which fields of a setattr hold. */
export const SetFlag = {
  mode: 1 << 0,
  uid: 1 << 1,
  gid: 1 << 2,
  size: 1 << 3,
  accessTime: 1 << 4,
  modifyTime: 1 << 5,
  handle: 1 << 6,
  accessNow: 1 << 7,
  modifyNow: 1 << 8,
  killSetId: 1 << 11,
} as const;

/** FOPEN_KEEP_CACHE, FOPEN_CACHE_DIR. */
export const OpenReply = { keepCache: 1 << 1, cacheDirectory: 1 << 3 } as const;

/** FUSE_WRITE_CACHE: a page that was written to by way of a mapping. */
export const WRITE_PAGE = 1 << 0;

/** FUSE_WRITE_KILL_SUIDGID, FUSE_OPEN_KILL_SUIDGID: the bits go, as whoever asks has no right to keep them. */
export const WRITE_KILL_SET_ID = 1 << 2;
export const OPEN_KILL_SET_ID = 1 << 0;

/** FUSE_GETATTR_FH, FUSE_FSYNC_FDATASYNC. */
export const GETATTR_HANDLE = 1;
export const FSYNC_DATA_ONLY = 1;

/** `struct fuse_in_header` and `struct fuse_out_header`, bytes. */
export const IN_HEADER = 40;
export const OUT_HEADER = 16;

/**
 * Most bytes of one read or write, and pages that is. With its head, a request is less than half of a channel's window:
 * the agent waits for room for a whole one, and windows are granted in halves.
 */
export const MAX_IO = 120 * 1024;
export const MAX_IO_PAGES = MAX_IO / 4096;

/** Most bytes of a request: a write of `MAX_IO`, and what the kernel may put before it. */
export const MAX_REQUEST = MAX_IO + 4096;
