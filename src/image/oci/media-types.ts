import { SmolError } from "../../errors.ts";
import type { Compression } from "../blob/index.ts";
import { printable } from "../tree/index.ts";

const indexes = new Set([
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
]);

const manifests = new Set([
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
]);

const configs = new Set([
  "application/vnd.oci.image.config.v1+json",
  "application/vnd.docker.container.image.v1+json",
]);

/** Layers by media type: OCI image specification, layer.md; Docker image manifest v2 schema 2. */
const layers: Readonly<Record<string, Compression>> = {
  "application/vnd.oci.image.layer.v1.tar": "none",
  "application/vnd.oci.image.layer.v1.tar+gzip": "gzip",
  "application/vnd.oci.image.layer.v1.tar+zstd": "zstd",
  "application/vnd.oci.image.layer.nondistributable.v1.tar": "none",
  "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": "gzip",
  "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd": "zstd",
  "application/vnd.docker.image.rootfs.diff.tar": "none",
  "application/vnd.docker.image.rootfs.diff.tar.gzip": "gzip",
  "application/vnd.docker.image.rootfs.diff.tar.zstd": "zstd",
  "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip": "gzip",
};

export const isIndexType = (type: string) => indexes.has(type);
export const isManifestType = (type: string) => manifests.has(type);
export const isConfigType = (type: string) => configs.has(type);

/** @throws SmolError for anything that is not a layer of files, e.g. parts of artifacts, or encrypted layers. */
export function layerCompression(type: string): Compression {
  const compression = layers[type];
  if (compression !== undefined) return compression;
  const encrypted = type.endsWith("+encrypted") ? ": encrypted images are not supported" : "";
  throw new SmolError("image.bad_layer", `a layer has the unknown media type ${printable(type)}${encrypted}`);
}
