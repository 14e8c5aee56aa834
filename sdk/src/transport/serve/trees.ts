/** Files and directories of this host as tar archives, which is how a server takes and gives them; tar(1) makes and reads them. */
import { spawn } from "node:child_process";
import { cp, lstat, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { errorOf, type SmolvmError } from "../../errors.ts";

/** Of tar's own words about a failure. */
const MAX_WORDS = 4096;

/**
 * Packs a file or directory; links in it are followed, as in every copy of the SDK's.
 *
 * @param name what it is called in the archive; undefined: only what is in the directory
 * @throws SmolvmError `copy.host_file`, `sdk.no_tar`
 */
export async function* packed(
  path: string,
  isWhole: boolean,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  const whole = resolve(path);
  const [directory, name] = isWhole ? [dirname(whole), basename(whole)] : [whole, "."];
  // A name that begins with a dash would be an option.
  const child = tar(["-c", "-h", "-f", "-", "-C", directory, "--", name], ["ignore", "pipe", "pipe"], signal);
  yield* child.output;
  await child.ended;
}

/**
 * Unpacks an archive that has one file or directory, and puts that where it belongs: complete, or not at all.
 *
 * @param target a directory that is there gets it under its own name; else it gets this name
 * @returns bytes of the files
 * @throws SmolvmError `copy.host_file`, `copy.limit`, `sdk.no_tar`; what the archive's source throws
 */
export async function unpack(
  archive: AsyncIterable<Uint8Array>,
  target: string,
  maxBytes: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  const goal = resolve(target);
  const isInside = (await stat(goal).catch(() => undefined))?.isDirectory() ?? false;
  const scratch = await mkdtemp(join(isInside ? goal : dirname(goal), ".smolvm-")).catch((cause) => {
    throw unwritable(cause);
  });
  try {
    const child = tar(
      ["-x", "-p", "--no-same-owner", "-f", "-", "-C", scratch],
      ["pipe", "ignore", "pipe"],
      signal,
    );
    const feeding = pipeline(Readable.from(archive), child.input);
    // Of two failures the source's says more.
    const [fed, read] = await Promise.allSettled([feeding, child.ended]);
    if (fed.status === "rejected" && !isClosedPipe(fed.reason)) throw fed.reason;
    if (read.status === "rejected") throw read.reason;
    const bytes = await sizeOf(scratch);
    if (bytes > maxBytes) throw tooLarge(maxBytes);
    const [name, ...more] = await readdir(scratch);
    if (name === undefined || more.length > 0)
      throw errorOf({ code: "copy.malformed", message: "the archive is not of one file or directory" });
    await place(join(scratch, name), isInside ? join(goal, name) : goal);
    return bytes;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** tar has read as much as it needs: what it thinks of that is in its exit code. */
function isClosedPipe(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "EPIPE" || code === "ERR_STREAM_PREMATURE_CLOSE" || code === "ERR_STREAM_DESTROYED";
}

export const tooLarge = (maxBytes: number): SmolvmError =>
  errorOf({ code: "copy.limit", message: `it is larger than ${maxBytes} bytes` });

/** What is in the way of a directory is another one, into which it goes. */
async function place(from: string, to: string): Promise<void> {
  try {
    await rename(from, to).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
      await cp(from, to, { recursive: true, force: true, verbatimSymlinks: true });
    });
  } catch (cause) {
    throw unwritable(cause);
  }
}

async function sizeOf(directory: string): Promise<number> {
  let bytes = 0;
  for (const path of await readdir(directory, { recursive: true })) {
    const found = await lstat(join(directory, path));
    if (found.isFile()) bytes += found.size;
  }
  return bytes;
}

const unwritable = (cause: unknown): SmolvmError =>
  errorOf({ code: "copy.host_file", message: cause instanceof Error ? cause.message : String(cause), cause });

type Ends = ["ignore", "pipe", "pipe"] | ["pipe", "ignore", "pipe"];

function tar(words: readonly string[], stdio: Ends, signal: AbortSignal | undefined) {
  const child = spawn("tar", words, { stdio, ...(signal && { signal }) });
  let said = "";
  child.stderr?.on("data", (bytes: Buffer) => {
    said = (said + bytes.toString()).slice(0, MAX_WORDS);
  });
  const ended = new Promise<void>((done, fail) => {
    child.on("error", (cause: NodeJS.ErrnoException) => {
      if (signal?.aborted) fail(signal.reason);
      else if (cause.code === "ENOENT")
        fail(
          errorOf({
            code: "sdk.no_tar",
            message: "tar is not installed, and copies of directories need it",
            cause,
          }),
        );
      else fail(unwritable(cause));
    });
    child.on("close", (code) => {
      if (code === 0) done();
      else fail(errorOf({ code: "copy.host_file", message: said.trim() || `tar ended with ${code}` }));
    });
  });
  ended.catch(() => {});
  return {
    ended,
    input: child.stdin as NonNullable<typeof child.stdin>,
    output: child.stdout as unknown as AsyncIterable<Uint8Array>,
  };
}
