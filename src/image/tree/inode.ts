/**
 * One file of the image, of any type, in memory.
 *
 * Names, link targets and attribute names are *byte strings*: each character is one byte (0–255), because file
 * names on Linux are bytes, not text. They compare and sort by byte value and cost one byte per character.
 */

/** Type bits of st_mode (inode(7)). */
export const FileType = {
  fifo: 0o010000,
  character: 0o020000,
  directory: 0o040000,
  block: 0o060000,
  regular: 0o100000,
  symlink: 0o120000,
  socket: 0o140000,
} as const;

export type FileTypeBits = (typeof FileType)[keyof typeof FileType];

export interface Xattr {
  /** Byte string with its namespace, e.g. `security.capability`. */
  readonly name: string;
  readonly value: Uint8Array;
}

export interface Attributes {
  /** The lower 12 bits of st_mode: permissions, setuid, setgid, sticky. */
  readonly permissions: number;
  readonly uid: number;
  readonly gid: number;
  /** Modification time: seconds since 1970 (may be negative) and nanoseconds (0–999,999,999). */
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly xattrs: readonly Xattr[];
}

/** Where the data of a regular file lies. Blocks and positions are those of the finished disk. */
export type FileData =
  /** In blocks that follow each other. */
  | { readonly kind: "blocks"; readonly size: number; readonly block: number }
  /** In chunks: those that are in `ranges` (numbers of chunks, ascending) follow each other, the others are holes. */
  | {
      readonly kind: "chunks";
      readonly size: number;
      readonly block: number;
      /** log2 of the size of a chunk in bytes. */
      readonly chunkBits: number;
      readonly ranges: readonly ChunkRange[];
    }
  /** Behind its inode, which is on the disk already, for a file with one name: `bytes` at `position`. */
  | { readonly kind: "ready"; readonly position: number; readonly bytes: number };

export interface ChunkRange {
  readonly first: number;
  readonly count: number;
}

/** Attributes of directories that no entry describes: what `mkdir -p` would make as root. */
export const impliedDirectory: Attributes = {
  permissions: 0o755,
  uid: 0,
  gid: 0,
  seconds: 0,
  nanoseconds: 0,
  xattrs: [],
};

export class Inode {
  /** Names that lead here; a directory has exactly one. */
  links = 0;
  /** The layer that made or last described this file. */
  layer = 0;
  /** The last layer that asked for this directory to be opaque. */
  clearedIn = -1;
  /** Only of a regular file. */
  data: FileData | undefined;
  /** Target of a symbolic link. */
  target = "";
  /** Device number of a device node. */
  major = 0;
  minor = 0;
  /** Entries of a directory. */
  readonly children: Map<string, Inode> | undefined;
  /** Number of the inode on the disk; 0 until it is placed. */
  nid = 0;

  constructor(
    readonly type: FileTypeBits,
    public attributes: Attributes,
  ) {
    this.children = type === FileType.directory ? new Map() : undefined;
  }
}

/** A byte string as text for messages: UTF-8 where it is valid, control characters escaped. */
export function printable(bytes: string): string {
  const text = Buffer.from(bytes, "latin1").toString("utf8");
  const escaped = text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => {
    return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
  });
  return escaped.length > 200 ? `${escaped.slice(0, 200)}…` : escaped;
}

/** Text as a byte string (UTF-8). */
export function bytesOf(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}
