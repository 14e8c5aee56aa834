import { closeSync, constants, openSync, readlinkSync, realpathSync } from "node:fs";
import { errnoOf } from "../../errors.ts";
import { isLocalImage } from "../../image/source-kind.ts";
import { quote } from "../../values/index.ts";
import { Refused } from "../errors.ts";

/**
 * A path of the host that a client may name: it lies in one of the directories that the server's owner has allowed, with
 * every link on the way followed. The resolved path is what is used, and whoever uses it later than at once has to see that
 * no link has come into it (`settleVolumes`): guests write in these directories.
 *
 * @param roots resolved
 * @throws Refused `FORBIDDEN`, also for what is not there: a client learns nothing about other paths. One that may name all
 * paths (`/`) is told by whoever uses the path what is wrong with it.
 */
export function allowedPath(path: string, roots: readonly string[]): string {
  if (!path.startsWith("/")) throw new Refused("BAD_REQUEST", `not an absolute path: ${quote(path)}`);
  const real = resolved(path);
  const isBelow = (root: string) => real === root || real?.startsWith(root === "/" ? "/" : `${root}/`);
  if (real === undefined && roots.includes("/")) return path;
  if (real === undefined || !roots.some(isBelow)) throw notAllowed(path);
  return real;
}

/** Something of the host that a client may name, opened: no link that comes into its path leads elsewhere. */
export interface AllowedFile {
  /** For people, and for records. */
  readonly path: string;
  /** Leads to what was opened, in this process. */
  readonly file: string;
  close(): void;
}

/** @throws Refused as `allowedPath` */
export function openAllowed(path: string, roots: readonly string[]): AllowedFile {
  const real = allowedPath(path, roots);
  let fd: number;
  try {
    fd = openSync(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    if (roots.includes("/")) return { path: real, file: real, close: () => {} };
    throw notAllowed(path);
  }
  const file = `/proc/self/fd/${fd}`;
  if (readlinkSync(file) !== real) {
    closeSync(fd);
    throw notAllowed(path);
  }
  return { path: real, file, close: () => closeSync(fd) };
}

/**
 * An image that a client may name: one of a registry or of the cache, of which nothing is opened here, or a path.
 *
 * @throws Refused as `allowedPath`; `BAD_REQUEST` for standard input, which is the server's
 */
export function openAllowedImage(image: string, roots: readonly string[]): Partial<AllowedFile> {
  if (image === "-") throw new Refused("BAD_REQUEST", "image: must be the name of one, or a path");
  return isLocalImage(image) ? openAllowed(image, roots) : {};
}

const notAllowed = (path: string) =>
  new Refused("FORBIDDEN", `the server allows no such path of its host: ${quote(path)}`);

function resolved(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch (error) {
    if (errnoOf(error) !== undefined) return undefined;
    throw error;
  }
}
