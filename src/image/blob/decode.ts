import { type BlobExpectations, wrongSize } from "./expected.ts";
import { reusing } from "./output.ts";
import type { DecoderThreads } from "./threads.ts";

/** Bytes; a smaller blob is decoded sooner than it is handed over. */
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
  const elsewhere = (size ?? Number.POSITIVE_INFINITY) < WORTH_A_THREAD ? undefined : threads;
  const stream = elsewhere?.begin(expected, take) ?? (await openHere(expected, take));
  try {
    let bytes = 0;
    for await (const chunk of source) {
      signal?.throwIfAborted();
      bytes += chunk.length;
      if (size !== undefined && bytes > size) throw wrongSize(size);
      await stream.write(chunk);
      onProgress?.(bytes);
    }
    if (size !== undefined && bytes < size) throw wrongSize(size);
    return await stream.finish();
  } finally {
    stream.close();
  }
}

/** What it takes is loaded when it is needed: with threads it is needed only there. */
async function openHere(expected: BlobExpectations, take: (bytes: Uint8Array) => void) {
  const { BlobDecoder } = await import("./decoder.ts");
  return new BlobDecoder(expected, reusing(take));
}
