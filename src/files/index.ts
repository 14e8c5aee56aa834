/**
 * A file server for guests: folders of the host as FUSE filesystems, over any pair of byte streams. It knows nothing of
 * machines. A guest is hostile: what it sends is checked, what it may hold is bounded, and no name, link or rename of
 * it, or of somebody else on the host, leads out of the folder.
 */
export { Errno, FileError, must, refuse } from "./errno.ts";
export type {
  Attributes,
  Caller,
  Changes,
  DirectoryEntry,
  Entry,
  Filesystem,
  Space,
} from "./filesystem.ts";
export { Folder, type FolderOptions } from "./folder/folder.ts";
export { checkName } from "./names.ts";
export { Session, type SessionOptions } from "./session.ts";
export { RequestError, RequestReader } from "./wire/request.ts";
