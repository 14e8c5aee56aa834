import type { Attributes, ChunkRange } from "../tree/index.ts";

/**
 * What one entry of a layer does to the tree, without the data of files. Paths and targets are byte strings as they
 * stand in the archive: not normalised, and not to be trusted. Blocks and positions count from the start of the
 * layer's data.
 */
export type LayerEntry = PlainEntry | LinkEntry | FileEntry;

/**
 * Whether the entry is in no image, and only there to be named by hard links of the same layer: the bookkeeping of
 * AUFS, see whiteout.ts.
 */
interface MaybeHidden {
  readonly hidden?: boolean | undefined;
}

type PlainEntry =
  | { readonly kind: "directory" | "fifo" | "socket"; readonly path: string; readonly attributes: Attributes }
  | {
      readonly kind: "symlink";
      readonly path: string;
      readonly attributes: Attributes;
      readonly target: string;
    }
  | {
      readonly kind: "character" | "block";
      readonly path: string;
      readonly attributes: Attributes;
      readonly major: number;
      readonly minor: number;
    }
  /** Deletes what lower layers put at `path` (whiteout), or everything that they put below it (opaque). */
  | { readonly kind: "whiteout"; readonly path: string }
  | { readonly kind: "opaque"; readonly path: string };

/** A second name of the file at `target`. */
interface LinkEntry extends MaybeHidden {
  readonly kind: "link";
  readonly path: string;
  readonly target: string;
}

/** A regular file. */
type FileEntry = MaybeHidden &
  (
    | {
        readonly kind: "file";
        readonly path: string;
        readonly attributes: Attributes;
        readonly size: number;
        readonly block: number;
      }
    | {
        readonly kind: "sparse";
        readonly path: string;
        readonly attributes: Attributes;
        readonly size: number;
        readonly block: number;
        readonly chunkBits: number;
        readonly ranges: readonly ChunkRange[];
      }
    /** A file whose inode is in the layer's data: `bytes` at `position`, with its attributes and data. */
    | { readonly kind: "small"; readonly path: string; readonly position: number; readonly bytes: number }
  );

/** Added to the number of the kind of an entry that is hidden. */
export const HIDDEN = 0x80;

/** Numbers of the kinds in the `.entries` file: the place in this list. */
export const entryKinds: readonly LayerEntry["kind"][] = [
  "directory",
  "fifo",
  "socket",
  "symlink",
  "character",
  "block",
  "link",
  "whiteout",
  "opaque",
  "file",
  "sparse",
  "small",
];
