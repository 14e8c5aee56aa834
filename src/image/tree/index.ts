/** The tree of files of an image that is being put together. */
export {
  type Attributes,
  bytesOf,
  type FileContent,
  FileType,
  type FileTypeBits,
  Inode,
  impliedDirectory,
  printable,
  type Xattr,
} from "./inode.ts";
export { type Place, splitPath, Tree } from "./tree.ts";
