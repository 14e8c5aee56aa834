import { SmolError } from "../errors.ts";
import type { CopyProgress } from "./guest-side.ts";

/** Counts a copy, and ends it when it is larger than it may be. */
export class LimitedCopy implements CopyProgress {
  files = 0;
  total: number | undefined;
  /** For the copy: aborted with `copy.limit`, or as the caller's is. */
  readonly signal: AbortSignal;
  #bytes = 0;
  readonly #limit = new AbortController();
  readonly #maxBytes: number;

  constructor(maxBytes: number, signal: AbortSignal) {
    this.#maxBytes = maxBytes;
    this.signal = AbortSignal.any([signal, this.#limit.signal]);
  }

  get bytes(): number {
    return this.#bytes;
  }

  set bytes(bytes: number) {
    this.#bytes = bytes;
    if (bytes > this.#maxBytes)
      this.#limit.abort(new SmolError("copy.limit", `it is larger than ${this.#maxBytes} bytes`));
  }
}
