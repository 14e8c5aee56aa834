import { MAX_FRAME } from "../limits.ts";
import { SummedMemory } from "../wire/summed.ts";
import { PREFIX } from "./frames.ts";

/** What writes bytes, as Bun's sockets do: as many as the kernel takes at once. */
export interface ByteSink {
  write(bytes: Uint8Array<ArrayBuffer>): number;
}

const SIZE = 1024 * 1024;
/** Data stops here. What is above is for acknowledgements, resets and other answers. */
const DATA_LIMIT = SIZE - 4 * (PREFIX + MAX_FRAME);

/**
 * Frames on their way to the guest. Whoever sends one writes it into this buffer, where it stays until the kernel has
 * taken it: there is no other copy, and no memory is allocated for a packet.
 */
export class Output {
  readonly memory = new SummedMemory(SIZE);
  readonly bytes = this.memory.bytes;
  readonly view = new DataView(this.bytes.buffer);
  readonly #waiting = new Set<() => void>();
  #sink: ByteSink | undefined;
  #head = 0;
  #tail = 0;
  #scheduled = false;
  #blocked = false;

  /** Undefined: nobody is there, and frames are lost. */
  connect(sink: ByteSink | undefined): void {
    this.#sink = sink;
    this.#head = 0;
    this.#tail = 0;
    this.#blocked = false;
    this.#wake();
  }

  /** Whether there is room for a frame of data. Whoever finds none waits with `whenRoom`. */
  get hasRoom(): boolean {
    return this.#tail < DATA_LIMIT;
  }

  /** Calls back once, when there is room again. */
  whenRoom(callback: () => void): void {
    this.#waiting.add(callback);
  }

  /**
   * The place of a new frame, behind its prefix; -1: no room at all, the frame is lost, as it may be in any network.
   * Only the last one that was begun can be committed.
   */
  begin(): number {
    if (this.#tail + PREFIX + MAX_FRAME > SIZE || this.#sink === undefined) return -1;
    return this.#tail + PREFIX;
  }

  /** The frame has been written. */
  commit(length: number): void {
    this.view.setUint32(this.#tail, length);
    this.#tail += PREFIX + length;
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      if (!this.#blocked) this.flush();
    });
  }

  /** Gives the kernel what it takes. */
  flush(): void {
    if (this.#sink === undefined || this.#head === this.#tail) return;
    const written = Math.max(0, this.#sink.write(this.bytes.subarray(this.#head, this.#tail)));
    this.#head += written;
    this.#blocked = this.#head < this.#tail;
    if (!this.#blocked) {
      this.#head = 0;
      this.#tail = 0;
    } else if (this.#head > SIZE / 2) {
      this.bytes.copyWithin(0, this.#head, this.#tail);
      this.#tail -= this.#head;
      this.#head = 0;
    }
    if (this.hasRoom) this.#wake();
  }

  /** In turn: each writes as much as it may, and the rest wait for the next time. */
  #wake(): void {
    if (this.#waiting.size === 0) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const callback of waiting) {
      if (this.hasRoom) callback();
      else this.#waiting.add(callback);
    }
  }
}
