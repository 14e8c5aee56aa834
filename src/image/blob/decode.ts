import { detectCompression } from "./compression.ts";
import { type BlobExpectations, wrongSize } from "./expected.ts";
import type { DecoderThreads } from "./threads.ts";

/** Bytes of the smallest blob that is handed over. */
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
  // A few bytes of a blob can become a great many: whoever stops does not wait for them.
  const takeUnlessStopped = (piece: Uint8Array) => {
    signal?.throwIfAborted();
    take(piece);
  };
  const open = async (start: Uint8Array): Promise<BlobStream> => {
    if (threads !== undefined && isWorthAThread(expected, start))
      return threads.begin(expected, takeUnlessStopped);
    // Not needed at all where every blob goes to a thread: that is start-up time.
    const { StreamHere } = await import("./here.ts");
    return new StreamHere(expected, takeUnlessStopped);
  };
  let stream: BlobStream | undefined;
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

/** A blob that is being decoded, wherever that is. */
interface BlobStream {
  /** Takes the next bytes; their memory may be used again when this resolves. */
  write(bytes: Uint8Array): Promise<void>;
  /** Says that the blob ends here. @returns the digest of the archive, when all of it was taken. */
  finish(): Promise<string>;
  /** Always to be called in the end. */
  close(): void;
}

/** Whether handing a blob over costs less than it saves: not for a small one, nor for one that is only hashed. */
function isWorthAThread({ size }: BlobExpectations, start: Uint8Array): boolean {
  const isLarge = size === undefined || size >= WORTH_A_THREAD;
  return isLarge && detectCompression(start) !== "none";
}
