import { SmolError } from "../../errors.ts";
import { limits } from "../limits.ts";
import { Decompressor } from "./decompress.ts";
import { Digester, digestMismatch } from "./digest.ts";
import type { BlobExpectations } from "./expected.ts";
import type { Output } from "./output.ts";

/** Decodes one blob as its bytes come in: decompresses it and computes both digests, in one run over each piece. */
export class BlobDecoder {
  /** Whether the digest of the archive was promised. */
  readonly #isKnown: boolean;
  /** Whether the blob is promised to be the archive itself. */
  readonly #isOne: boolean;
  readonly #blob: Digester | undefined;
  readonly #archive: Digester;
  readonly #decompressor: Decompressor;
  #bytes = 0;

  /** @param output gets the archive. */
  constructor({ digest, diffId }: BlobExpectations, output: Output) {
    this.#isKnown = diffId !== undefined;
    // Where blob and archive are promised to be the same bytes, one digest is enough.
    this.#isOne = digest === diffId;
    this.#blob = digest === undefined || this.#isOne ? undefined : new Digester(digest);
    this.#archive = new Digester(diffId ?? "sha256:");
    const take = (bytes: Uint8Array) => {
      this.#bytes += bytes.length;
      if (this.#bytes > limits.totalBytes) {
        throw new SmolError("image.limit", `a layer has more than ${limits.totalBytes} bytes`);
      }
      this.#archive.update(bytes);
      output.take(bytes);
    };
    this.#decompressor = new Decompressor({ room: () => output.room(), take });
  }

  /** Takes the next bytes of the blob, cut anywhere. @throws SmolError; whatever the output throws. */
  write(bytes: Uint8Array): void {
    this.#blob?.update(bytes);
    this.#decompressor.write(bytes);
  }

  /** Says that the blob ends here. @returns the digest of the archive. @throws SmolError */
  finish(): string {
    // What is wrong with the archive is explained best by a blob that is not the right one.
    this.#blob?.check("a layer");
    this.#decompressor.finish();
    // What was decompressed is something else than the blob, whose digest was not computed.
    if (this.#isKnown && this.#isOne && this.#decompressor.compression !== "none") {
      throw digestMismatch("a layer", this.#archive.expected);
    }
    if (this.#isKnown) this.#archive.check("a layer's contents");
    return this.#archive.digest();
  }

  /** Always to be called in the end. */
  close(): void {
    this.#decompressor.close();
  }
}
