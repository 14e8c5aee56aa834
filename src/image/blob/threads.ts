import type { BlobExpectations } from "./expected.ts";
import { type SpareMemory, StreamInThread } from "./stream.ts";
import { DecoderWorker } from "./worker.ts";

/** More would wait for the network, or for whoever takes what comes out. */
const MAX_THREADS = 4;

/**
 * Threads that decode blobs, each several at a time. What costs most of a pull, decompressing and hashing, is one
 * straight run there, from one piece of memory to the next; the thread that starts them takes bytes from the network
 * and takes archives apart meanwhile.
 */
export class DecoderThreads implements Disposable {
  readonly #workers: DecoderWorker[] = [];
  readonly #memory: SpareMemory = { rings: [], buffers: [] };
  readonly #max = Math.min(navigator.hardwareConcurrency, MAX_THREADS);
  #next = 0;

  /**
   * Begins a blob, on the thread that has the fewest bytes to do. Not for one that is not compressed.
   *
   * @param take gets the archive piece by piece, in memory that is valid during the call.
   */
  begin(expected: BlobExpectations, take: (bytes: Uint8Array) => void): StreamInThread {
    return new StreamInThread(this.#next++, this.#idlest(), this.#memory, expected, take);
  }

  /** Ends the threads, whatever they do. */
  [Symbol.dispose](): void {
    for (const worker of this.#workers.splice(0)) worker.end();
  }

  #idlest(): DecoderWorker {
    const [first] = this.#workers.filter(({ isLost }) => !isLost).sort((a, b) => a.load - b.load);
    if (first !== undefined && (first.load === 0 || this.#workers.length >= this.#max)) return first;
    const worker = new DecoderWorker();
    this.#workers.push(worker);
    return worker;
  }
}
