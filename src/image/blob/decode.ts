import { detectCompression } from "./compression.ts";
import type { BlobDecoder } from "./decoder.ts";
import { type BlobExpectations, wrongSize } from "./expected.ts";
import { reusing } from "./output.ts";
import type { StreamInThread } from "./stream.ts";
import type { DecoderThreads } from "./threads.ts";

/** Bytes. */
const WORTH_A_THREAD = 1024 * 1024;

export interface DecodeOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of bytes of the blob taken so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
  /** Where the work is done, if it is worth it; default: on this thread. */
  readonly threads?: DecoderThreads | undefined;
}

/**
 * Decodes a layer's blob while its bytes come in: decompresses it, and checks its size and both digests.
 *
 * @param source the blob; chunks need to stay valid only until the next one is asked for.
 * @param take gets the archive piece by piece, in memory that is valid during the call. What it throws ends the work.
 *   Only when all is done, the archive is known to be the right one.
 * @returns the digest of the archive.
 * @throws SmolError when anything is not as expected; the signal's reason.
 */
export async function decodeBlob(
  source: AsyncIterable<Uint8Array>,
  expected: BlobExpectations,
  take: (bytes: Uint8Array) => void,
  { signal, onProgress, threads }: DecodeOptions = {},
): Promise<string> {
  const { size } = expected;
  let stream: StreamInThread | BlobDecoder | undefined;
  const open = async (start: Uint8Array) => {
    if (threads !== undefined && isWorthAThread(start, size)) return threads.begin(expected, take);
    // Loaded when it is needed: with threads that is only there.
    const { BlobDecoder } = await import("./decoder.ts");
    return new BlobDecoder(expected, reusing(take));
  };
  try {
    let bytes = 0;
    for await (const chunk of source) {
      signal?.throwIfAborted();
      bytes += chunk.length;
      if (size !== undefined && bytes > size) throw wrongSize(size);
      stream ??= await open(chunk);
      await stream.write(chunk);
      onProgress?.(bytes);
    }
    if (size !== undefined && bytes < size) throw wrongSize(size);
    stream ??= await open(new Uint8Array(0));
    return await stream.finish();
  } finally {
    stream?.close();
  }
}

/** Whether handing a blob over costs less than it saves: not for a small one, nor for one that is only hashed. */
function isWorthAThread(start: Uint8Array, size: number = Number.POSITIVE_INFINITY): boolean {
  return size >= WORTH_A_THREAD && detectCompression(start) !== "none";
}
