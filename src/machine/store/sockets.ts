/**
 * Where a machine's sockets are: `<runtime>/<16 hex digits>.sock` for other commands, `.agent` for its guest, `.net` for
 * its network card, `.lan` for other machines of its named network. A socket address has 107 bytes, too few for every name, so the digits stand for the name.
 *
 * The directory is there only while a machine needs it: the first one makes it, the last one removes it. Neither waits
 * for the other. rmdir(2) fails while a socket is left, and who finds the directory gone makes it again.
 */
import { lstatSync, mkdirSync, rmdirSync, rmSync } from "node:fs";
import type { Paths } from "../../config/paths.ts";
import type { Removal } from "../../confine/index.ts";
import { errnoOf, SmolError } from "../../errors.ts";

/** How often others may remove the directory between the moment it is made and the moment there is a socket in it. */
const ATTEMPTS = 100;

export interface SocketPaths {
  readonly control: string;
  readonly agent: string;
  readonly network: string;
  readonly lan: string;
}

/** The sockets of the machine with this name. */
export function socketPaths(paths: Paths, name: string): SocketPaths {
  const digits = new Bun.CryptoHasher("sha256").update(name).digest("hex").slice(0, 16);
  const path = `${paths.runtime}/${digits}`;
  return { control: `${path}.sock`, agent: `${path}.agent`, network: `${path}.net`, lan: `${path}.lan` };
}

/**
 * Makes a socket in the runtime directory, and that directory where it is missing.
 *
 * @param listen binds a socket inside it; its errors are passed on.
 * @throws SmolError `config.unsafe_runtime_dir`
 */
export function listenInRuntimeDirectory<T>(paths: Paths, listen: () => T): T {
  for (let attempt = 1; ; attempt++) {
    prepareRuntimeDirectory(paths.runtime);
    try {
      return listen();
    } catch (error) {
      if (errnoOf(error) !== "ENOENT" || attempt === ATTEMPTS) throw error;
    }
  }
}

/** Sockets are as private as their directory: in /tmp anybody could have made it first. */
function prepareRuntimeDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    // Bun's answer too when the directory was there and was removed a moment later.
    if (errnoOf(error) !== "EEXIST") throw error;
  }
  const status = lstatSync(path, { throwIfNoEntry: false });
  // Removed at this moment: the listener finds out.
  if (status === undefined) return;
  if (status.isDirectory() && status.uid === process.getuid?.() && (status.mode & 0o077) === 0) return;
  throw new SmolError("config.unsafe_runtime_dir", `${path} is not a private directory of this user`, {
    hint: "remove it, or set XDG_RUNTIME_DIR to a directory with mode 0700",
  });
}

/** What `removeSockets` removes, for another process to do. */
export function socketRemovals(paths: Paths, name: string): Removal[] {
  return [
    ...Object.values(socketPaths(paths, name)).map((path): Removal => ({ kind: "file", path })),
    { kind: "emptyDirectory", path: paths.runtime },
  ];
}

/** Removes a machine's sockets, and the runtime directory with the last one. Idempotent. */
export function removeSockets(paths: Paths, name: string): void {
  for (const path of Object.values(socketPaths(paths, name))) rmSync(path, { force: true });
  try {
    rmdirSync(paths.runtime);
  } catch {
    // Others have sockets in it, or it is gone.
  }
}
