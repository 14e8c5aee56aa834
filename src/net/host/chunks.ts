import { receiveNow } from "../../../ffi/sockets.ts";

/** What a read of a busy socket finds at once. */
const BLOCK = 256 * 1024;
/** Blocks that are kept while nobody uses them: 2 MiB. */
const MOST_FREE = 8;
/**
 * Blocks of memory that are used over and over: fresh memory for each read would cost as much as the read itself, by page
 * faults and garbage collection.
 */
const free: Uint8Array<ArrayBuffer>[] = [];

/** A read of the runtime's that has found so many bytes was of a busy socket: there is likely to be more. */
export const BUSY = 32 * 1024;

/** Takes what has come on a socket: the caller's to keep, and to `giveBack`. @returns undefined: nothing now */
export function receiveChunk(fd: number): Uint8Array<ArrayBuffer> | undefined {
  const block = free.pop() ?? new Uint8Array(BLOCK);
  const length = receiveNow(fd, block);
  if (length >= BLOCK / 2) return block.subarray(0, length);
  // Few bytes are not worth the memory that a block holds.
  free.push(block);
  return length > 0 ? block.slice(0, length) : undefined;
}

/**
 * For who is done with a chunk, and has it alone. What is as large as a block serves as one. The memory of other large
 * ones goes back at once, not when the garbage collector comes: the runtime's next read gets it, warm. Small ones are
 * left to the collector.
 */
export function giveBack({ buffer, length }: Uint8Array): void {
  if (length < BUSY || !(buffer instanceof ArrayBuffer)) return;
  if (buffer.byteLength === BLOCK && free.length < MOST_FREE) free.push(new Uint8Array(buffer));
  else buffer.transfer(0);
}
