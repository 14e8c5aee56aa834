import { array, object, optional, string, unknown } from "valibot";
import { SmolError } from "../../errors.ts";
import { printable } from "../tree/index.ts";
import { parseDocument } from "./schema.ts";

const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";

const indexes = new Set([OCI_INDEX, "application/vnd.docker.distribution.manifest.list.v2+json"]);

const manifests = new Set([OCI_MANIFEST, "application/vnd.docker.distribution.manifest.v2+json"]);

const configs = new Set([
  "application/vnd.oci.image.config.v1+json",
  "application/vnd.docker.container.image.v1+json",
]);

/** Layers by media type: OCI image specification, layer.md; Docker image manifest v2 schema 2. */
const layers = new Set([
  "application/vnd.oci.image.layer.v1.tar",
  "application/vnd.oci.image.layer.v1.tar+gzip",
  "application/vnd.oci.image.layer.v1.tar+zstd",
  "application/vnd.oci.image.layer.nondistributable.v1.tar",
  "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
  "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
  "application/vnd.docker.image.rootfs.diff.tar",
  "application/vnd.docker.image.rootfs.diff.tar.gzip",
  "application/vnd.docker.image.rootfs.diff.tar.zstd",
  "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
]);

/** The type of a document that nothing but itself tells; OCI documents need not name it. */
export function documentType(text: string): string {
  const shape = object({ mediaType: optional(string()), manifests: optional(array(unknown())) });
  const { mediaType, manifests: members } = parseDocument(text, shape, "the image's manifest");
  return mediaType ?? (members === undefined ? OCI_MANIFEST : OCI_INDEX);
}

export const isIndexType = (type: string) => indexes.has(type);
export const isManifestType = (type: string) => manifests.has(type);
export const isConfigType = (type: string) => configs.has(type);

/**
 * The type says only that it is a layer of files. How it is compressed is seen in its first bytes, as other tools do:
 * both digests decide whether it is the right one, and some tools name the compression wrongly.
 *
 * @throws SmolError for anything else, e.g. parts of artifacts, or encrypted layers.
 */
export function requireLayerType(type: string): void {
  if (layers.has(type)) return;
  const encrypted = type.endsWith("+encrypted") ? ": encrypted images are not supported" : "";
  throw new SmolError("image.bad_layer", `a layer has the unknown media type ${printable(type)}${encrypted}`);
}
