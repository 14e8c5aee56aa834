import { MAX_FRAME } from "../limits.ts";
import { word } from "../wire/address.ts";

/** Bytes before each frame: its length, u32 big endian. QEMU's `-netdev stream`, passt and libkrun agree on it. */
export const PREFIX = 4;

/**
 * Cuts a byte stream into frames. A frame that lies within one chunk, as nearly all do, is handed over where it is;
 * only what a chunk ends within is copied.
 */
export class FrameReader {
  readonly #onFrame: (bytes: Uint8Array, start: number, end: number) => void;
  /** A frame that has begun, with its prefix. */
  readonly #partial = new Uint8Array(PREFIX + MAX_FRAME);
  #have = 0;

  /** @param onFrame gets a frame's place; the bytes are valid until it returns */
  constructor(onFrame: (bytes: Uint8Array, start: number, end: number) => void) {
    this.#onFrame = onFrame;
  }

  /** @returns false: this is no stream of frames, and cannot become one again */
  push(chunk: Uint8Array): boolean {
    let at = 0;
    while (this.#have > 0 && at < chunk.length) {
      const missing = this.#have < PREFIX ? PREFIX - this.#have : this.#partialLength() - this.#have;
      const taken = Math.min(missing, chunk.length - at);
      this.#partial.set(chunk.subarray(at, at + taken), this.#have);
      this.#have += taken;
      at += taken;
      if (this.#have < PREFIX) return true;
      const length = this.#partialLength();
      if (length > PREFIX + MAX_FRAME) return false;
      if (this.#have < length) continue;
      this.#have = 0;
      this.#onFrame(this.#partial, PREFIX, length);
    }
    while (chunk.length - at >= PREFIX) {
      const length = word(chunk, at);
      if (length > MAX_FRAME) return false;
      const end = at + PREFIX + length;
      if (end > chunk.length) break;
      this.#onFrame(chunk, at + PREFIX, end);
      at = end;
    }
    if (at < chunk.length) {
      this.#partial.set(chunk.subarray(at));
      this.#have = chunk.length - at;
    }
    return true;
  }

  /** Of the frame that has begun, with its prefix. */
  #partialLength(): number {
    return PREFIX + word(this.#partial, 0);
  }
}
