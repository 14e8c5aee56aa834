import type { Attributes } from "../tree/index.ts";

export type TarEntryType = "file" | "directory" | "symlink" | "link" | "character" | "block" | "fifo";

/** A run of data of a sparse file: bytes from the start of the file. */
export interface SparseRun {
  readonly offset: number;
  readonly length: number;
}

/** One member of an archive, with all extended headers applied. */
export interface TarEntry {
  /** Byte string as it stands in the archive: not normalised, and not to be trusted. */
  readonly path: string;
  readonly type: TarEntryType;
  /** Size of the file in bytes, holes included; 0 for everything but files. */
  readonly size: number;
  /** Target of a symbolic link (any byte string) or hard link (a path in the archive). */
  readonly target: string;
  readonly attributes: Attributes;
  readonly major: number;
  readonly minor: number;
  /** The data runs of a sparse file, ascending and without overlap; the data that follows is theirs, in order. */
  readonly runs: readonly SparseRun[] | undefined;
}

/** What a reader calls, in this order for each member: `entry`, `data` as often as it takes, `end`. */
export interface TarHandler {
  entry(entry: TarEntry): void;
  /** Bytes of a file. They are only valid during the call. */
  data(bytes: Uint8Array): void;
  end(): void;
}
