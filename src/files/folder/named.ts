/** What is done with a file by its name, whatever the modes of a user's directories say. */
import { closeDescriptor, OpenFlag, openAt, unlinkAt } from "../../../ffi/files.ts";
import type { Access } from "./access.ts";
import { DIRECTORY, type Stat } from "./stat.ts";

/** A descriptor that names a file, or the negative errno. */
export function findName(access: Access, directory: number, name: string): number {
  const flags = OpenFlag.pathOnly | OpenFlag.noFollow;
  return access.inDirectory(directory, () => openAt(directory, name, flags));
}

/**
 * Takes away what was made, as the guest is told that it was not. (It stays where its name is another file's meanwhile.)
 *
 * @param fd names what was made
 */
export function removeMade(access: Access, stat: Stat, directory: number, name: string, fd: number): void {
  if (stat.read(fd) !== 0) return;
  const { key, type } = stat;
  access.inDirectory(directory, () => {
    const found = stat.read(directory, name);
    return found !== 0 || stat.key !== key ? found : unlinkAt(directory, name, type === DIRECTORY);
  });
}

/** Does what needs a directory to be writable itself that is in another one. */
export function insideOf(access: Access, above: number, name: string, task: () => number): number {
  const fd = findName(access, above, name);
  if (fd < 0) return task();
  try {
    return access.inDirectory(fd, task);
  } finally {
    closeDescriptor(fd);
  }
}
