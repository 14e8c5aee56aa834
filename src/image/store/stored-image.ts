import type { ImageOrigin } from "../oci/document.ts";
import type { ImageConfig, Platform } from "../types.ts";

/** Changes whenever the same input would give another image: part of every image's identity. */
export const FORMAT_VERSION = 3;

/** What stands in `<hex>.json` beside an image. */
export interface StoredImage {
  readonly format: typeof FORMAT_VERSION;
  readonly id: string;
  readonly platform: Platform;
  readonly config: ImageConfig;
  /** Whether it was pulled, or made of something on this machine. */
  readonly origin: "registry" | "local";
  /** Of an image that was made of a machine. */
  readonly made?: ImageOrigin | undefined;
  /** Seconds since 1970. */
  readonly createdAt: number;
  /** Lowest first; the same one may come twice. Bytes of its data. */
  readonly layers: readonly { readonly diffId: string; readonly bytes: number }[];
  /** Bytes of `<hex>.erofs`: block 0, and what is behind the layers' data on the disk. */
  readonly metadataBytes: number;
  /** Bytes of the whole disk. */
  readonly sizeBytes: number;
  /** CRC of block 0, as `checksumOf` computes it. */
  readonly checksum: number;
  /** Boot of the host in which the image was written; empty once it is known to be safe on disk. */
  readonly writtenInBoot: string;
}

/** Where the parts of an image are; those of its layers are `layerPaths`. */
export function imagePaths(
  directory: string,
  id: string,
): { description: string; metadata: string; disk: string; lock: string } {
  const base = `${directory}/${id.replace(/^sha256:/, "")}`;
  return {
    description: `${base}.json`,
    metadata: `${base}.erofs`,
    disk: `${base}.vmdk`,
    // Of whoever makes it, or removes it.
    lock: `${base}.lock`,
  };
}
