/** The files of a root filesystem that a recipe takes apart, wherever they come from. */

export interface FileNode {
  readonly type: "file" | "directory" | "symlink" | "other";
  /** Permission bits, with set-user-ID, set-group-ID and sticky bit. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** The content of a file, or the target of a link. */
  read(): Buffer;
}

/** By path, without a leading slash; the root itself is not in it. */
export type FileTree = ReadonlyMap<string, FileNode>;
