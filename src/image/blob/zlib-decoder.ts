import { constants, createGunzip, createZstdDecompress } from "node:zlib";
import { limits } from "../limits.ts";
import type { Output } from "./output.ts";

/**
 * The native decoder inside a stream of node:zlib. It is called directly, because nothing public decompresses a
 * stream piece by piece without handing each one to another thread and back, in new memory: that cost a pull a
 * quarter of its time (docs/benchmarks.md). Node's and Bun's own synchronous functions are written with these calls;
 * Bun's version is pinned, and decompress.test.ts is what a new one has to pass.
 */
interface Native {
  /** Afterwards `state` has the bytes of output that were not filled, and those of the input that were not used. */
  writeSync(
    flush: number,
    input: Uint8Array,
    inputAt: number,
    inputBytes: number,
    output: Uint8Array,
    outputAt: number,
    outputBytes: number,
  ): void;
  onerror: (message: string) => void;
}

interface NativeStream {
  readonly _handle: Native;
  readonly _writeState: Uint32Array;
  close(): void;
}

const NOTHING = new Uint8Array(0);

/** The bytes are not what the format says. */
export class Undecodable extends Error {}

/** Decompresses one stream as its bytes come in, on this thread. */
export class ZlibDecoder {
  readonly #stream: NativeStream;
  readonly #native: Native;
  readonly #end: number;
  readonly #output: Output;
  #failure: string | undefined;

  /** @param output gets what comes out, in its own memory. */
  constructor(compression: "gzip" | "zstd", output: Output) {
    const stream: unknown =
      compression === "gzip"
        ? createGunzip()
        : createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: limits.zstdWindowLog } });
    this.#stream = stream as NativeStream;
    this.#native = this.#stream._handle;
    this.#native.onerror = (message) => {
      this.#failure = message;
    };
    this.#end = compression === "gzip" ? constants.Z_FINISH : constants.ZSTD_e_end;
    this.#output = output;
  }

  /**
   * Takes the next bytes of the stream.
   *
   * @returns how many of them the decoder had no use for, because the stream ended before them.
   * @throws Undecodable; whatever the output throws.
   */
  write(bytes: Uint8Array): number {
    return this.#run(0, bytes);
  }

  /** Says that the stream ends here. @throws Undecodable when that is too early. */
  finish(): void {
    this.#run(this.#end, NOTHING);
  }

  /** Always to be called in the end. */
  close(): void {
    this.#stream.close();
  }

  #run(flush: number, bytes: Uint8Array): number {
    let left = bytes.length;
    for (;;) {
      const room = this.#output.room();
      this.#native.writeSync(flush, bytes, bytes.length - left, left, room, 0, room.length);
      if (this.#failure !== undefined) throw new Undecodable(this.#failure);
      const [unfilled = 0, unused = 0] = this.#stream._writeState;
      const filled = room.length - unfilled;
      const isStuck = filled === 0 && unused === left;
      left = unused;
      if (filled > 0) this.#output.take(room.subarray(0, filled));
      // A full piece means that more may come; input that is left, that another member or frame may follow.
      if (isStuck || (unfilled > 0 && left === 0)) return left;
    }
  }
}
