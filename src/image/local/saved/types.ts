import { SmolError } from "../../../errors.ts";
import type { ImageConfig } from "../../types.ts";

export interface SavedLayer {
  /** Byte string, relative to the archive or directory. */
  readonly path: string;
  readonly diffId: string;
  readonly digest?: string | undefined;
  readonly size?: number | undefined;
}

/** An image of which the documents are read and checked, and the layers are not. */
export interface SavedImage {
  readonly config: ImageConfig;
  readonly configDigest: string;
  readonly layers: readonly SavedLayer[];
}

/** What to do about an image for another platform. */
export const EXPORT_HINT =
  "export the image for this platform, e.g. with skopeo copy --override-arch, or docker pull --platform";

/** Each layer with the digest of its contents. @throws SmolError when their numbers differ. */
export function pair<Layer>(layers: readonly Layer[], diffIds: readonly string[]): [Layer, string][] {
  if (layers.length !== diffIds.length) {
    throw new SmolError(
      "image.bad_manifest",
      `the image has ${layers.length} layers, but its configuration describes ${diffIds.length}`,
    );
  }
  return layers.map((layer, index) => [layer, diffIds[index] ?? ""]);
}
