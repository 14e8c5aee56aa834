import { closeSync, constants, fchmodSync, openSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { linkDescriptor } from "../../ffi/libc.ts";
import { errnoOf } from "../errors.ts";

/** Linux's O_TMPFILE, which contains O_DIRECTORY; node:fs does not export it. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;

/**
 * Makes a file that has its name only when `fill` has succeeded, replacing what had it. Until then it is an unnamed
 * file, which vanishes with the process; where the filesystem has none (or on macOS) it is `path.new`.
 * The caller holds the lock of the file's directory.
 *
 * @param fill writes the content to the descriptor, which is open for reading and writing.
 */
export async function createFile(
  path: string,
  mode: number,
  fill: (fd: number) => Promise<void>,
): Promise<void> {
  const temporary = `${path}.new`;
  rmSync(temporary, { force: true }); // a killed process may have left it
  const unnamed = openUnnamed(dirname(path));
  const fd = unnamed ?? openSync(temporary, "wx+", 0o600);
  try {
    await fill(fd);
    fchmodSync(fd, mode);
    if (unnamed !== undefined) linkDescriptor(unnamed, temporary);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
}

function openUnnamed(directory: string): number | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    return openSync(directory, O_TMPFILE | constants.O_RDWR, 0o600);
  } catch (error) {
    const code = errnoOf(error);
    if (code === "EOPNOTSUPP" || code === "EISDIR" || code === "EINVAL") return undefined;
    throw error;
  }
}
