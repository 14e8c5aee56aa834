import { type Output, PIECE } from "./output.ts";

/** Pieces that may wait to be taken. */
const PIECES = 4;

/** Memory that two threads share. */
export interface RingMemory {
  readonly pieces: SharedArrayBuffer;
  /** One number: how many pieces were taken so far, or ABANDONED. */
  readonly taken: SharedArrayBuffer;
}

const ABANDONED = -1;

/** Nobody wants what comes out any more. */
export class Abandoned extends Error {}

/** The side that reads pieces, in the order in which the other side fills them, and gives them back. */
export class RingReader {
  readonly memory: RingMemory = {
    pieces: new SharedArrayBuffer(PIECE * PIECES),
    taken: new SharedArrayBuffer(4),
  };
  readonly #taken = new Int32Array(this.memory.taken);
  #next = 0;

  /** The next piece, after the other side has said that it is there. */
  piece(length: number): Uint8Array {
    return new Uint8Array(this.memory.pieces, (this.#next % PIECES) * PIECE, length);
  }

  /** Gives it back. */
  release(): void {
    this.#next++;
    this.#tell(this.#next);
  }

  /** Makes it as new, when the other side is done with it. */
  reset(): this {
    this.#next = 0;
    this.#tell(0);
    return this;
  }

  /** Wakes the other side up: it gives up. */
  abandon(): void {
    this.#tell(ABANDONED);
  }

  #tell(taken: number): void {
    Atomics.store(this.#taken, 0, taken);
    Atomics.notify(this.#taken, 0);
  }
}

/** The side that fills pieces, and sleeps while all of them wait to be taken: only for a thread of its own. */
export class RingOutput implements Output {
  readonly #pieces: SharedArrayBuffer;
  readonly #taken: Int32Array<SharedArrayBuffer>;
  readonly #send: (length: number) => void;
  #filled = 0;

  /** @param send says that the next piece holds so many bytes. */
  constructor(memory: RingMemory, send: (length: number) => void) {
    this.#pieces = memory.pieces;
    this.#taken = new Int32Array(memory.taken);
    this.#send = send;
  }

  /** @throws Abandoned */
  room(): Uint8Array {
    for (;;) {
      const taken = Atomics.load(this.#taken, 0);
      if (taken === ABANDONED) throw new Abandoned();
      if (this.#filled - taken < PIECES) {
        return new Uint8Array(this.#pieces, (this.#filled % PIECES) * PIECE, PIECE);
      }
      Atomics.wait(this.#taken, 0, taken);
    }
  }

  /** Only what is in the last `room`: what is not compressed is not worth a ring. */
  take(bytes: Uint8Array): void {
    if (bytes.buffer !== this.#pieces) throw new Error("bytes from elsewhere");
    this.#filled++;
    this.#send(bytes.length);
  }
}
