/** The tree of files of an image that is being put together. */

export { type FileTree, Listing, type OpenTreeFile, type TreeFile } from "./file-tree.ts";
export {
  type Attributes,
  bytesOf,
  type ChunkRange,
  type FileData,
  FileType,
  type FileTypeBits,
  Inode,
  impliedDirectory,
  printable,
  type Xattr,
} from "./inode.ts";
export { type Place, requirePath, splitPath, Tree } from "./tree.ts";
