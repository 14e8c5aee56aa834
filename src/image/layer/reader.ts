import { SmolError } from "../../errors.ts";
import type { ErofsWriter } from "../erofs/index.ts";
import { limits } from "../limits.ts";
import { TarReader } from "../tar/index.ts";
import type { Tree } from "../tree/index.ts";
import { LayerApplier, type Totals } from "./apply.ts";
import { type Compression, decompress } from "./decompress.ts";
import { Digester } from "./digest.ts";

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

export interface LayerTarget {
  readonly tree: Tree;
  readonly writer: ErofsWriter;
  readonly totals: Totals;
  /** Whether `.wh.` names delete (default: yes). */
  readonly whiteouts?: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of bytes of the stream taken so far. */
  readonly onProgress?: ((compressedBytes: number) => void) | undefined;
}

/**
 * Reads one layer to its end: decompresses, checks the digests, and applies it on top of what the tree holds.
 *
 * @param source the layer's blob; chunks need to stay valid only until the next one is asked for.
 * @throws SmolError when anything is not as expected. The tree and the image are then of no more use.
 */
export async function readLayer(
  source: AsyncIterable<Uint8Array>,
  expected: LayerExpectations,
  target: LayerTarget,
): Promise<LayerResult> {
  const { tree, writer, totals, signal, onProgress } = target;
  // Of a layer that is not compressed, blob and archive are the same bytes: one digest is enough.
  const isOne = expected.compression === "none" && expected.digest === expected.diffId;
  const blob = expected.digest === undefined || isOne ? undefined : new Digester(expected.digest);
  const archive = new Digester(expected.diffId ?? "sha256:");
  let compressedBytes = 0;
  let bytes = 0;

  async function* checked(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of source) {
      signal?.throwIfAborted();
      compressedBytes += chunk.length;
      if (expected.size !== undefined && compressedBytes > expected.size) throw wrongSize(expected.size);
      blob?.update(chunk);
      onProgress?.(compressedBytes);
      yield chunk;
    }
    if (expected.size !== undefined && compressedBytes < expected.size) throw wrongSize(expected.size);
    blob?.check("a layer");
  }

  const reader = new TarReader(new LayerApplier(tree, writer, totals, target.whiteouts ?? true));
  tree.nextLayer();
  for await (const chunk of decompress(checked(), expected.compression)) {
    bytes += chunk.length;
    if (bytes > limits.totalBytes)
      throw new SmolError("image.limit", `a layer has more than ${limits.totalBytes} bytes`);
    archive.update(chunk);
    reader.write(chunk);
    await writer.drain();
  }
  if (expected.diffId !== undefined) archive.check("a layer's contents");
  reader.finish();
  return { diffId: archive.digest(), compressedBytes, bytes };
}

/** A layer that is longer or shorter than its descriptor says. */
export const wrongSize = (size: number) =>
  new SmolError(
    "image.digest_mismatch",
    `a layer does not have the ${size} bytes that its manifest promises`,
  );
