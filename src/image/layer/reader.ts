import { SmolError } from "../../errors.ts";
import { limits } from "../limits.ts";
import { TarReader } from "../tar/index.ts";
import { type Compression, decompress } from "./decompress.ts";
import { digestMismatch, StreamDigester } from "./digest.ts";
import type { LayerRecorder } from "./recorder.ts";

/** Bytes; below, starting a thread costs more than it saves. */
const WORTH_A_THREAD = 4 * 1024 * 1024;

export interface LayerExpectations {
  /** Digest and size of the stream as it comes (OCI descriptor). */
  readonly digest?: string;
  readonly size?: number;
  /** Digest of the archive after decompression (`rootfs.diff_ids` of the image's config). */
  readonly diffId?: string;
  /** What the media type says. */
  readonly compression?: Compression;
}

export interface LayerResult {
  /** Digest of the archive after decompression. */
  readonly diffId: string;
  readonly compressedBytes: number;
  readonly bytes: number;
}

export interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of bytes of the stream taken so far. */
  readonly onProgress?: ((compressedBytes: number) => void) | undefined;
}

/**
 * Reads one layer to its end: decompresses, checks the digests, and records what is in it.
 *
 * @param source the layer's blob; chunks need to stay valid only until the next one is asked for.
 * @throws SmolError when anything is not as expected. What was recorded is then of no use.
 */
export async function readLayer(
  source: AsyncIterable<Uint8Array>,
  expected: LayerExpectations,
  recorder: LayerRecorder,
  options: ReadOptions = {},
): Promise<LayerResult> {
  const { signal, onProgress } = options;
  const { digest, diffId, compression, size = Number.POSITIVE_INFINITY } = expected;
  const elsewhere = size >= WORTH_A_THREAD;
  // Of a layer that is not compressed, blob and archive are the same bytes: one digest is enough.
  const isOne = compression === "none" && digest === diffId;
  const blob = digest === undefined || isOne ? undefined : new StreamDigester(digest, elsewhere);
  const archive = new StreamDigester(diffId ?? "sha256:", elsewhere);
  let compressedBytes = 0;
  let bytes = 0;

  async function* checked(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of source) {
      signal?.throwIfAborted();
      compressedBytes += chunk.length;
      if (compressedBytes > size) throw wrongSize(size);
      await blob?.update(chunk);
      onProgress?.(compressedBytes);
      yield chunk;
    }
    if (expected.size !== undefined && compressedBytes < size) throw wrongSize(size);
    await blob?.check("a layer");
  }

  try {
    const reader = new TarReader(recorder);
    for await (const chunk of decompress(checked(), compression)) {
      bytes += chunk.length;
      if (bytes > limits.totalBytes)
        throw new SmolError("image.limit", `a layer has more than ${limits.totalBytes} bytes`);
      await archive.update(chunk);
      reader.write(chunk);
      await recorder.drain();
    }
    const computed = await archive.digest();
    if (diffId !== undefined && computed !== diffId) throw digestMismatch("a layer's contents", diffId);
    reader.finish();
    return { diffId: computed, compressedBytes, bytes };
  } finally {
    blob?.close();
    archive.close();
  }
}

/** A layer that is longer or shorter than its descriptor says. */
export const wrongSize = (size: number) =>
  new SmolError(
    "image.digest_mismatch",
    `a layer does not have the ${size} bytes that its manifest promises`,
  );
