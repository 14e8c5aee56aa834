import { constants, copyFileSync, linkSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { errnoOf, SmolError } from "../errors.ts";
import { cacheError } from "./failure.ts";
import { holdUntilExit, whileLocked } from "./lock.ts";
import { pruneRuntime } from "./prune.ts";
import { sayIfSlow } from "./slow.ts";
import { hashFile } from "./sparse.ts";
import { matchingStamp, readStamp, stampPath, writeStamp } from "./stamp.ts";

/**
 * The guest's agent is this very program. krun shares a directory that holds it, by preference as a hard link to the
 * running file, so that host and guests share its pages in memory; qemu reads it from a block device.
 */

/** The file's name in the share and in the image: `/smolvm` in both. */
const PROGRAM = "smolvm";

/** @see runtimeSharePath in index.ts */
export async function shareProgram(directory: string): Promise<string> {
  const share = `${directory}/share`;
  const path = `${share}/${PROGRAM}`;
  // Guests see everything in the share, so the stamp is kept outside.
  const shared = { path, stamp: `${share}.stamp` };
  if (!isRunningProgram(path)) {
    await make(directory, shared, async () => {
      mkdirSync(share, { recursive: true, mode: 0o700 });
      linkOrCopy(path, `${directory}/${PROGRAM}.new`);
    });
  }
  holdUntilExit(directory);
  return share;
}

/** @see runtimeImagePath in index.ts */
export async function makeProgramImage(directory: string): Promise<string> {
  const image = `${directory}/runtime.erofs`;
  await make(directory, { path: image, stamp: stampPath(image) }, async () => {
    // The one place where the assets need the image writer above them; it is loaded once per version of smolvm.
    const { writeErofsFromFile } = await import("../image/index.ts");
    const temporary = `${image}.new`;
    rmSync(temporary, { force: true });
    try {
      await writeErofsFromFile(runningProgram(), PROGRAM, temporary);
      renameSync(temporary, image);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  });
  return image;
}

interface Made {
  readonly path: string;
  readonly stamp: string;
}

/** Makes the file under the directory's lock, unless its stamp vouches for it or it is found unchanged. */
async function make(directory: string, file: Made, create: () => Promise<void>): Promise<void> {
  if (matchingStamp(file.path, file.stamp)) return;
  const quiet = sayIfSlow("preparing smolvm's own files (only this once)");
  try {
    await whileLocked(directory, async () => {
      if (matchingStamp(file.path, file.stamp)) return;
      if (!isUnchanged(file)) await create();
      // A link to the running file needs no stamp: it is recognised by being that file.
      if (!isRunningProgram(file.path)) writeStamp(file.path, hashWhole(file.path), file.stamp);
    });
    pruneRuntime(directory.slice(0, directory.lastIndexOf("/")));
  } catch (error) {
    throw cacheError(error, directory);
  } finally {
    quiet();
  }
}

/** Whether the file still has the content that its last stamp recorded; asked once per boot. */
function isUnchanged({ path, stamp }: Made): boolean {
  const last = readStamp(stamp);
  return last !== undefined && fileSize(path) !== undefined && hashWhole(path) === last.sha256;
}

function hashWhole(path: string): string {
  const size = fileSize(path) ?? 0;
  return hashFile(path, size, [{ offset: 0, length: size }]) ?? "";
}

function fileSize(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size;
}

function isRunningProgram(path: string): boolean {
  const there = statSync(path, { throwIfNoEntry: false });
  if (!there) return false;
  const running = statSync(runningProgram());
  return there.ino === running.ino && there.dev === running.dev;
}

/** The program's file. On Linux by way of /proc, which also finds it after an upgrade has replaced its name. */
function runningProgram(): string {
  if (!Bun.isStandaloneExecutable) {
    throw new SmolError("assets.not_compiled", "only the compiled smolvm can be a guest's runtime", {
      hint: "./dev smolvm …",
    });
  }
  return process.platform === "linux" ? "/proc/self/exe" : process.execPath;
}

/** A hard link where that is allowed, else a copy that shares blocks where the filesystem can. */
function linkOrCopy(path: string, temporary: string): void {
  rmSync(temporary, { force: true });
  try {
    link(temporary);
  } catch (error) {
    const code = errnoOf(error);
    if (code !== "EXDEV" && code !== "EPERM" && code !== "ENOENT" && code !== "EMLINK") throw error;
    copyFileSync(runningProgram(), temporary, constants.COPYFILE_FICLONE);
  }
  renameSync(temporary, path);
}

function link(path: string): void {
  const running = runningProgram();
  linkSync(process.execPath, path);
  // The name may belong to a newer file by now.
  const [linked, ours] = [statSync(path), statSync(running)];
  if (linked.ino === ours.ino && linked.dev === ours.dev) return;
  rmSync(path);
  throw Object.assign(new Error("the running program was replaced"), { code: "ENOENT" });
}
