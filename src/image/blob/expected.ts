import { SmolError } from "../../errors.ts";

/** What is known of a layer's blob before it is read. */
export interface BlobExpectations {
  /** Digest and size of the blob (OCI descriptor). */
  readonly digest?: string | undefined;
  readonly size?: number | undefined;
  /** Digest of the archive after decompression (`rootfs.diff_ids` of the image's config). */
  readonly diffId?: string | undefined;
}

/** A layer that is longer or shorter than its descriptor says. */
export const wrongSize = (size: number) =>
  new SmolError(
    "image.digest_mismatch",
    `a layer does not have the ${size} bytes that its manifest promises`,
  );
