import { MAX_FRAME } from "../limits.ts";
import { word } from "../wire/address.ts";

/** Bytes before each frame: its length, u32 big endian. QEMU's `-netdev stream`, passt and libkrun agree on it. */
export const PREFIX = 4;

/** Gets a frame's place; the bytes are valid until it returns. */
type OnFrame = (bytes: Uint8Array, start: number, end: number) => void;

/** Why a stream is none of frames: it cannot become one again. */
const BROKEN = -1;

/**
 * Hands over the frames that lie whole between two places.
 *
 * @returns where the first one begins that does not, or BROKEN
 */
function cut(bytes: Uint8Array, start: number, end: number, onFrame: OnFrame): number {
  let at = start;
  while (end - at >= PREFIX) {
    const length = word(bytes, at);
    if (length > MAX_FRAME) return BROKEN;
    const next = at + PREFIX + length;
    if (next > end) break;
    onFrame(bytes, at + PREFIX, next);
    at = next;
  }
  return at;
}

/**
 * Cuts a byte stream into frames. A frame that lies within one chunk, as nearly all do, is handed over where it is;
 * only what a chunk ends within is copied. Who reads into `room`, right behind the frame that has begun, saves most of
 * that as well.
 */
export class FrameReader {
  readonly #onFrame: OnFrame;
  readonly #memory: Uint8Array<ArrayBuffer>;
  /** Of a frame that has begun, with its prefix: where it lies in the memory; BROKEN: there are no frames any more. */
  #start = 0;
  #end = 0;

  /** @param size bytes of the memory for what is not whole, and for `room`: at least those of one frame */
  constructor(onFrame: OnFrame, size = PREFIX + MAX_FRAME) {
    this.#onFrame = onFrame;
    this.#memory = new Uint8Array(size);
  }

  /** @returns false: this is no stream of frames, and cannot become one again */
  push(chunk: Uint8Array): boolean {
    if (this.#start === BROKEN) return false;
    let at = 0;
    while (this.#start < this.#end && at < chunk.length) {
      const taken = Math.min(this.#missing, chunk.length - at);
      this.#makeRoom(taken);
      this.#memory.set(chunk.subarray(at, at + taken), this.#end);
      at += taken;
      if (!this.filled(taken)) return false;
    }
    const rest = cut(chunk, at, chunk.length, this.#onFrame);
    if (rest === BROKEN) {
      this.#start = BROKEN;
      return false;
    }
    if (rest === chunk.length) return true;
    this.#memory.set(chunk.subarray(rest));
    this.#start = 0;
    this.#end = chunk.length - rest;
    return true;
  }

  /** Where what comes next may be read to, if `filled` says at once how much it was. */
  room(): Uint8Array<ArrayBuffer> {
    // What is left behind a frame near the end would be read in slivers.
    this.#makeRoom(this.#memory.length / 2);
    return this.#memory.subarray(this.#end);
  }

  /** So many bytes were read into `room`. @returns as `push` does */
  filled(length: number): boolean {
    const rest = cut(this.#memory, this.#start, this.#end + length, this.#onFrame);
    this.#end += length;
    this.#start = rest;
    return rest !== BROKEN;
  }

  /** Bytes that the frame lacks which has begun, or its prefix. */
  get #missing(): number {
    const have = this.#end - this.#start;
    return (have < PREFIX ? PREFIX : PREFIX + word(this.#memory, this.#start)) - have;
  }

  /** Moves what is there to the front, if so many bytes do not fit behind it. */
  #makeRoom(length: number): void {
    if (this.#start === this.#end) this.#start = this.#end = 0;
    if (this.#start === 0 || this.#end + length <= this.#memory.length) return;
    this.#memory.copyWithin(0, this.#start, this.#end);
    this.#end -= this.#start;
    this.#start = 0;
  }
}
