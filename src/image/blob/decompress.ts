import { SmolError } from "../../errors.ts";
import { limits } from "../limits.ts";
import {
  type Compression,
  detectCompression,
  LAYER,
  MAGIC_BYTES,
  refuseOtherCompression,
} from "./compression.ts";
import type { Output } from "./output.ts";
import { Undecodable, ZlibDecoder } from "./zlib-decoder.ts";
import { ZstdFrames } from "./zstd-frames.ts";

/**
 * Decompresses a stream as its bytes come in: plain, gzip (any number of members) or zstd (any number of frames), told
 * by its first bytes.
 *
 *     const decompressor = new Decompressor(output);
 *     for await (const chunk of source) decompressor.write(chunk);
 *     decompressor.finish();
 *     // always:
 *     decompressor.close();
 */
export class Decompressor {
  readonly #output: Output;
  readonly #what: string;
  /** The first bytes, while there are too few of them. */
  #start: number[] | undefined = [];
  #compression: Compression = "none";
  #decoder: ZlibDecoder | undefined;
  #frames: ZstdFrames | undefined;
  /** The decoder has seen the end of the last member. */
  #ended = false;
  /** Bytes in and out. */
  #taken = 0;
  #given = 0;

  /** @param what is decompressed, in errors. */
  constructor(output: Output, what = LAYER) {
    this.#output = output;
    this.#what = what;
  }

  /** How the stream turned out to be compressed; known for sure after `finish`. */
  get compression(): Compression {
    return this.#compression;
  }

  /** Takes the next bytes of the stream, cut anywhere. @throws SmolError; whatever the output throws. */
  write(bytes: Uint8Array): void {
    let rest = bytes;
    if (this.#start !== undefined) {
      const missing = MAGIC_BYTES - this.#start.length;
      this.#start.push(...bytes.subarray(0, missing));
      if (this.#start.length < MAGIC_BYTES) return;
      rest = bytes.subarray(missing);
      this.#begin(this.#start);
    }
    this.#decompress(rest);
  }

  /** Says that the stream ends here. @throws SmolError when that is too early. */
  finish(): void {
    if (this.#start !== undefined) this.#begin(this.#start);
    this.#frames?.finish();
    this.#decode((decoder) => decoder.finish());
  }

  /** Always to be called in the end. */
  close(): void {
    this.#decoder?.close();
    this.#decoder = undefined;
  }

  #begin(start: readonly number[]): void {
    this.#start = undefined;
    const bytes = Uint8Array.from(start);
    const found = detectCompression(bytes);
    if (found === "none") refuseOtherCompression(bytes, this.#what);
    this.#compression = found;
    if (found === "zstd") this.#frames = new ZstdFrames();
    if (found !== "none") this.#decoder = new ZlibDecoder(found, this.#checked());
    this.#decompress(bytes);
  }

  #decompress(bytes: Uint8Array): void {
    if (this.#compression === "none") {
      if (bytes.length > 0) this.#output.take(bytes);
      return;
    }
    this.#taken += bytes.length;
    this.#frames?.add(bytes);
    const unused = this.#ended ? bytes.length : (this.#decode((decoder) => decoder.write(bytes)) ?? 0);
    if (unused === 0) return;
    // Zeros may fill up the last block of a tape; anything else would be ignored by some readers and not by others.
    if (bytes.subarray(bytes.length - unused).some((byte) => byte !== 0)) {
      throw this.#refused("there is something behind its end");
    }
    this.#ended = true;
  }

  /** The output, unless too much comes out. */
  #checked(): Output {
    const take = (bytes: Uint8Array) => {
      this.#given += bytes.length;
      if (this.#given > limits.ratioFloorBytes && this.#given > this.#taken * limits.ratio) {
        const what = `${this.#what} grows more than ${limits.ratio} times when it is decompressed`;
        throw new SmolError("image.limit", what);
      }
      this.#output.take(bytes);
    };
    return { room: () => this.#output.room(), take };
  }

  #decode<Result>(action: (decoder: ZlibDecoder) => Result): Result | undefined {
    if (this.#decoder === undefined) return undefined;
    try {
      return action(this.#decoder);
    } catch (error) {
      throw error instanceof Undecodable ? this.#refused(error.message) : error;
    }
  }

  #refused(why: string): SmolError {
    return new SmolError(
      "image.bad_layer",
      `${this.#what} cannot be decompressed (${this.#compression}): ${why}`,
    );
  }
}
