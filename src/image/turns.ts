/** Milliseconds that a job may take before everything else gets its turn: signals, progress, the network. */
const TURN_MS = 50;

/** For jobs on the main thread that would otherwise never wait for anything. */
export class Turns {
  #since = performance.now();

  /** Lets everything else happen, if it is time. */
  async give(): Promise<void> {
    if (performance.now() - this.#since < TURN_MS) return;
    await Bun.sleep(0);
    this.#since = performance.now();
  }
}

/** A part of a stream that takes no longer than a few turns to decompress, whatever comes out of it. */
const SLICE = 64 * 1024;

/** Cuts bytes into such parts. */
export function* slices(bytes: Uint8Array): Generator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += SLICE) yield bytes.subarray(at, at + SLICE);
}
