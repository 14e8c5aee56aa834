/** Every limit that a hostile pack can run into, each with its reason. A pack below all of them is accepted. */

const KiB = 1024;
const MiB = 1024 * KiB;

export const limits = {
  /** Manifest, index, chunks, and a runtime for each of a dozen platforms; what later versions add. */
  sections: 64,
  /** A vendor, an auditor, a mirror. */
  signatures: 8,
  /** JSON of some kilobytes; environment and labels of an image may have 4 MiB (src/image/oci/config.ts). */
  manifestBytes: 16 * MiB,
  /** Layers of an image, as in src/image/limits.ts. */
  layers: 512,
  /**
   * Bytes of all layers in the image cache: the files of an image (src/image/limits.ts), and as much again for trees and
   * the padding of files. One chunk that comes a million times is small in a pack.
   */
  unpackedBytes: 512 * 1024 * MiB,
  /** Two for each layer. */
  blobs: 2 * 512,
  /** After decompression. The writer makes chunks of 1 MiB; memory is taken for a few at once. */
  chunkBytes: 4 * MiB,
  /** Chunks of all blobs: 1 TiB in chunks of 1 MiB, so that the index stays below 80 MiB. */
  chunks: 1024 * 1024,
  /** Of a runtime, unpacked: ours has about 150 MiB. */
  runtimeBytes: 1024 * MiB,
} as const;
