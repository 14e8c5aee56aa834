import { giveBack } from "../host/chunks.ts";
import { CHUNK_COST } from "./kept.ts";

/**
 * Bytes on their way to the guest, from the first that it has not acknowledged. They stay in the chunks in which they
 * came; places are counted from the stream's start.
 */
export class SendQueue {
  #chunks: Uint8Array[] = [];
  /** Chunks before it are gone. */
  #first = 0;
  /** Where that chunk begins, and where the last one ends. */
  #base = 0;
  #end = 0;
  /** Where the last copy ended: the next one goes on there, as a rule. */
  #cursor = 0;
  #cursorPlace = 0;

  /** Behind the last byte. */
  get end(): number {
    return this.#end;
  }

  /** What it costs to keep a chunk: all that it holds on to. */
  static cost(chunk: Uint8Array): number {
    return chunk.buffer.byteLength + CHUNK_COST;
  }

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#end += chunk.length;
  }

  /** Lets go of what lies before a place. @returns what it had cost */
  drop(place: number): number {
    let cost = 0;
    for (;;) {
      const chunk = this.#chunks[this.#first];
      if (chunk === undefined || this.#base + chunk.length > place) break;
      this.#base += chunk.length;
      this.#chunks[this.#first++] = EMPTY;
      cost += SendQueue.cost(chunk);
      giveBack(chunk);
    }
    if (this.#first > 64 && this.#first * 2 > this.#chunks.length) {
      this.#chunks = this.#chunks.slice(this.#first);
      this.#cursor -= this.#first;
      this.#first = 0;
    }
    return cost;
  }

  /** Copies bytes that are in it. */
  copy(place: number, length: number, target: Uint8Array, at: number): void {
    if (place < this.#cursorPlace || this.#cursor < this.#first) {
      this.#cursor = this.#first;
      this.#cursorPlace = this.#base;
    }
    let from = place;
    let to = at;
    for (const end = place + length; from < end; ) {
      const chunk = this.#chunks[this.#cursor] as Uint8Array;
      const skip = from - this.#cursorPlace;
      if (skip >= chunk.length) {
        this.#cursorPlace += chunk.length;
        this.#cursor++;
        continue;
      }
      const taken = Math.min(chunk.length - skip, end - from);
      target.set(skip === 0 && taken === chunk.length ? chunk : chunk.subarray(skip, skip + taken), to);
      from += taken;
      to += taken;
    }
  }
}

const EMPTY = new Uint8Array(0);
