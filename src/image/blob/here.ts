import { slices, Turns } from "../turns.ts";
import { BlobDecoder } from "./decoder.ts";
import type { BlobExpectations } from "./expected.ts";
import { reusing } from "./output.ts";

/** A blob that is decoded on this thread, in turns with everything else that happens here. */
export class StreamHere {
  readonly #decoder: BlobDecoder;
  readonly #turns = new Turns();

  /** As `DecoderThreads.begin`. */
  constructor(expected: BlobExpectations, take: (bytes: Uint8Array) => void) {
    this.#decoder = new BlobDecoder(expected, reusing(take));
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (const slice of slices(bytes)) {
      this.#decoder.write(slice);
      await this.#turns.give();
    }
  }

  async finish(): Promise<string> {
    return this.#decoder.finish();
  }

  close(): void {
    this.#decoder.close();
  }
}
