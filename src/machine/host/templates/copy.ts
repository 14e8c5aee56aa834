import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { seekSparse } from "../../../../ffi/libc.ts";

/** Compared and left out as a whole: a page of the guest. */
const PAGE = 4096;
const PIECE = 1024 * 1024;

/**
 * Copies a file but for its pages of zeros, which become holes.
 *
 * @param target is made, and may only be read afterwards
 * @param mostBytes of content that it may have
 * @throws Error when there is more, or no room
 */
export function copyContent(source: string, target: string, mostBytes: number): void {
  const from = openSync(source, "r");
  const to = openSync(target, "wx", 0o400);
  try {
    let left = mostBytes;
    const piece = Buffer.alloc(PIECE);
    for (let at = seekSparse(from, 0, "data"); at !== undefined; at = seekSparse(from, at, "data")) {
      const length = readSync(from, piece, 0, PIECE, at);
      if (length === 0) break;
      left -= writePages(to, piece.subarray(0, length), at);
      if (left < 0) throw new Error(`the guest has more than ${mostBytes} bytes of memory in use`);
      at += length;
    }
    ftruncateSync(to, fstatSync(from).size);
  } finally {
    closeSync(from);
    closeSync(to);
  }
}

const ZEROS = Buffer.alloc(PAGE);

/** Writes what lies side by side at once. @returns how many bytes */
function writePages(to: number, piece: Buffer, at: number): number {
  let written = 0;
  for (let begin = 0, end = 0; begin < piece.length; begin = end) {
    end = begin + PAGE;
    if (piece.subarray(begin, end).equals(ZEROS)) continue;
    while (end < piece.length && !piece.subarray(end, end + PAGE).equals(ZEROS)) end += PAGE;
    written += writeAll(to, piece.subarray(begin, end), at + begin);
  }
  return written;
}

function writeAll(to: number, bytes: Buffer, at: number): number {
  for (let done = 0; done < bytes.length; )
    done += writeSync(to, bytes, done, bytes.length - done, at + done);
  return bytes.length;
}
