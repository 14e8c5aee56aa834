import { closeSync, fsyncSync, openSync } from "node:fs";
import { errnoOf } from "../../errors.ts";

/** Has the system write a file, or the names in a directory, to its disk. Some filesystems cannot for directories. */
export function syncPath(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } catch (error) {
    if (errnoOf(error) !== "EINVAL") throw error;
  } finally {
    closeSync(fd);
  }
}
