/**
 * `sockets.json`: the sockets that a machine's process has made outside the runtime directory, so that what it leaves
 * when it is killed is known for its own, and nothing else is ever removed.
 */
import { existsSync, lstatSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";

/** A socket, recognised by more than its path: changing its mode or owner leaves all of these as they are. */
export interface ExposedSocket {
  readonly path: string;
  readonly device: number;
  readonly inode: number;
  /** When it was made; milliseconds since the epoch. */
  readonly madeAt: number;
}

const fileOf = (directory: string): string => `${directory}/sockets.json`;

/** The socket that is at a path now; undefined: none, or something else. */
export function socketAt(path: string): ExposedSocket | undefined {
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (!status?.isSocket()) return undefined;
  return { path, device: status.dev, inode: status.ino, madeAt: status.mtimeMs };
}

/** Says which sockets are the machine's. The caller holds its lock. @param directory the machine's */
export function writeExposed(directory: string, sockets: readonly ExposedSocket[]): void {
  const file = fileOf(directory);
  writeFileSync(`${file}.new`, `${JSON.stringify(sockets, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** Removes the sockets that a machine's process has left. @param directory the machine's */
export function removeExposed(directory: string): void {
  const file = fileOf(directory);
  // Also where the machine's place is taken by what is no directory.
  if (!existsSync(file)) return;
  for (const socket of recorded(file)) removeSocket(socket);
  rmSync(file, { force: true });
}

/** Removes a socket, if what is at its path is still that one. */
export function removeSocket(socket: ExposedSocket): void {
  const { path, device, inode, madeAt } = socket;
  const now = socketAt(path);
  if (now?.device !== device || now.inode !== inode || now.madeAt !== madeAt) return;
  try {
    unlinkSync(path);
  } catch {
    // Its directory is not ours to write to any more: nobody listens there, which is what counts.
  }
}

/** A file that is not there, or damaged, says nothing. */
function recorded(file: string): ExposedSocket[] {
  try {
    const list: unknown = JSON.parse(readFileSync(file, "utf8"));
    return Array.isArray(list) ? list.filter((entry) => typeof entry?.path === "string") : [];
  } catch {
    return [];
  }
}
