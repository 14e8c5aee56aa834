import { Errno, refuse } from "./errno.ts";

/** NAME_MAX of Linux, bytes. */
const MAX_NAME = 255;

/**
 * One name in a directory, a character for each byte. Only such a name is ever joined to a directory, so none leads
 * out of it.
 *
 * @throws FileError ENAMETOOLONG, or EINVAL for what is no name
 */
export function checkName(name: string): string {
  if (name.length > MAX_NAME) refuse(Errno.ENAMETOOLONG);
  if (name === "" || name === "." || name === ".." || name.includes("/") || name.includes("\0"))
    refuse(Errno.EINVAL);
  return name;
}
