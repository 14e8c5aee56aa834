import type { SmolError } from "../errors.ts";
import { limits } from "./limits.ts";

export const ZEROS = new Uint8Array(64 * 1024);

/** Writes zeros in the place of holes, where no hole can be made: as many as a limit allows. */
export class Holes {
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  readonly #tooMany: () => SmolError;
  #bytes = 0;

  /** @param tooMany for more than `limits.tarHoleBytes` in all */
  constructor(write: (bytes: Uint8Array) => Promise<void>, tooMany: () => SmolError) {
    this.#write = write;
    this.#tooMany = tooMany;
  }

  /** @param length bytes; none when it is negative */
  async fill(length: number): Promise<void> {
    this.#bytes += Math.max(0, length);
    if (this.#bytes > limits.tarHoleBytes) throw this.#tooMany();
    for (let left = length; left > 0; left -= ZEROS.length) await this.#write(ZEROS.subarray(0, left));
  }
}
