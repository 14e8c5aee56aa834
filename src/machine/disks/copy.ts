/** Copies of sparse files: what is a hole in the source is one in the copy. */
import { fstatSync, readSync, rmSync, writeSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { seekSparse, shareBytes } from "../../../ffi/libc.ts";

/** Bytes of one read: large enough that the calls cost nothing, small enough to stop soon. */
const COPY_BYTES = 1024 * 1024;

/** A piece of a file that is not a hole, in bytes. */
interface Piece {
  readonly start: number;
  readonly end: number;
}

/** The pieces of a file, in order. Found while it is walked: a file may have a million of them. */
function* piecesOf(fd: number): Generator<Piece> {
  const { size } = fstatSync(fd);
  for (let at: number | undefined = 0; at < size; ) {
    const start = seekSparse(fd, at, "data");
    if (start === undefined) return;
    const end = seekSparse(fd, start, "hole") ?? size;
    yield { start, end };
    at = end;
  }
}

/** Copies a file with few data at once, without giving way to anything else: a template. */
export function copyPieces(source: number, target: number): void {
  const buffer = Buffer.allocUnsafe(COPY_BYTES);
  for (const { start, end } of piecesOf(source)) {
    for (let offset = start; offset < end; ) {
      const length = readSync(source, buffer, 0, Math.min(COPY_BYTES, end - offset), offset);
      if (length === 0) return;
      for (let done = 0; done < length; )
        done += writeSync(target, buffer, done, length - done, offset + done);
      offset += length;
    }
  }
}

export interface CopyOptions {
  /** The copy ends with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called before bytes are copied, and never for a reflink; what it throws ends the copy. */
  readonly onCopy?: (() => Promise<void>) | undefined;
  /** Called as bytes are copied, with all of this copy so far. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/**
 * Makes a new file with the bytes of another that nobody writes to, and waits until they are on the host's disk: as a
 * reflink where the filesystem has those, else byte by byte.
 *
 * @returns whether it is a reflink
 * @throws what the system says, or the signal's reason; nothing is left then, unless the process is killed
 */
export async function copySparse(from: string, to: string, options: CopyOptions = {}): Promise<boolean> {
  const { signal, onCopy, onBytes } = options;
  signal?.throwIfAborted();
  await using source = await open(from, "r");
  await using target = await open(to, "wx", 0o600);
  try {
    const shared = shareBytes(source.fd, target.fd);
    if (!shared) {
      await onCopy?.();
      // First: where there is no room for a file of this size at all, nothing has to be copied to find out.
      await target.truncate((await source.stat()).size);
      await copyData(source, target, signal, onBytes);
    }
    await target.datasync();
    return shared;
  } catch (error) {
    rmSync(to, { force: true });
    throw error;
  }
}

async function copyData(
  source: FileHandle,
  target: FileHandle,
  signal: AbortSignal | undefined,
  onBytes: CopyOptions["onBytes"],
): Promise<void> {
  const buffer = Buffer.allocUnsafe(COPY_BYTES);
  let copied = 0;
  for (const { start, end } of piecesOf(source.fd)) {
    for (let offset = start; offset < end; ) {
      signal?.throwIfAborted();
      const { bytesRead } = await source.read(buffer, 0, Math.min(COPY_BYTES, end - offset), offset);
      if (bytesRead === 0) return;
      for (let done = 0; done < bytesRead; )
        done += (await target.write(buffer, done, bytesRead - done, offset + done)).bytesWritten;
      offset += bytesRead;
      copied += bytesRead;
      onBytes?.(copied);
    }
  }
}
