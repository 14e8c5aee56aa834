/** The place of a Unix socket, which one server at a time looks at and changes. */
import { closeSync, constants, lstatSync, openSync, unlinkSync } from "node:fs";
import { connect } from "node:net";
import { dirname } from "node:path";
import { flock } from "../../../ffi/libc.ts";
import { errnoOf, messageOf, SmolError } from "../../errors.ts";
import { untilLocked } from "../../host/index.ts";

/** Others hold the lock for milliseconds; whoever holds it longer is no server of ours. */
const LOCK_LIMIT_MS = 10_000;

/**
 * Runs `work` while no other server looks at, takes or leaves a socket in the same directory: between a look at a socket
 * that nobody answers at and its removal, another server could have taken the place. The lock is on the directory, so
 * nothing of it stays.
 *
 * @throws SmolError `serve.cannot_listen` when the directory is not there, or somebody keeps it locked
 */
export async function whilePlaceIsOurs<T>(path: string, work: () => Promise<T>): Promise<T> {
  const directory = dirname(path);
  let fd: number;
  try {
    fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    throw cannotLock(path, error);
  }
  try {
    await untilLocked(
      () => flock(fd, "exclusive", false) || undefined,
      AbortSignal.timeout(LOCK_LIMIT_MS),
    ).catch((error) => {
      throw cannotLock(path, error);
    });
    return await work();
  } finally {
    closeSync(fd);
  }
}

function cannotLock(path: string, cause: unknown): SmolError {
  const message = `cannot listen at ${path}: its directory cannot be locked: ${messageOf(cause)}`;
  return new SmolError("serve.cannot_listen", message, { cause });
}

/** A server that was killed leaves its socket. @throws SmolError `serve.in_use` when one answers, or it is no socket */
export async function removeStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket())
    throw new SmolError("serve.in_use", `cannot listen at ${path}: something else is there`);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ path });
  socket.once("connect", () => resolve(true));
  socket.once("error", (error) => resolve(errnoOf(error) !== "ECONNREFUSED"));
  const answers = await promise;
  socket.destroy();
  if (answers)
    throw new SmolError("serve.in_use", `another server listens at ${path}`, {
      hint: "use that one, or another place: --listen PATH",
    });
  removeSocket(path);
}

export function removeSocket(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}
