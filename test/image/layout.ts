import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";

export interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  platform?: { os: string; architecture: string; variant?: string };
  annotations?: Record<string, string>;
}

export interface ConfigDocument {
  architecture?: string;
  os?: string;
  config: Record<string, unknown>;
  rootfs: { type: string; diff_ids: string[] };
}

export interface ManifestDocument {
  schemaVersion: number;
  mediaType?: string;
  artifactType?: string;
  config: Descriptor;
  layers: Descriptor[];
  manifests?: unknown[];
}

export interface IndexDocument {
  schemaVersion: number;
  mediaType?: string;
  manifests: Descriptor[];
  layers?: unknown[];
}

export interface LayoutOptions {
  readonly compression?: "none" | "gzip" | "zstd" | undefined;
  /** The part of the configuration that says how to run the image. */
  readonly config?: Record<string, unknown>;
  /** Change a document before it is written; digests that lead to it are right. */
  readonly editConfig?: (config: ConfigDocument) => void;
  readonly editManifest?: (manifest: ManifestDocument) => void;
  readonly editIndex?: (index: IndexDocument) => void;
}

const suffixes = { none: "", gzip: "+gzip", zstd: "+zstd" };
const packers = { none: (bytes: Uint8Array) => bytes, gzip: gzipSync, zstd: zstdCompressSync };

export const hostArchitecture = process.arch === "arm64" ? "arm64" : "amd64";
export const manifestType = "application/vnd.oci.image.manifest.v1+json";
export const indexType = "application/vnd.oci.image.index.v1+json";
export const configType = "application/vnd.oci.image.config.v1+json";

export const digestOf = (bytes: Uint8Array) =>
  `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;

/** Puts a blob into a layout. */
export function writeBlob(directory: string, bytes: Uint8Array, mediaType: string): Descriptor {
  const digest = digestOf(bytes);
  mkdirSync(join(directory, "blobs/sha256"), { recursive: true });
  writeFileSync(join(directory, "blobs", digest.replace(":", "/")), bytes);
  return { mediaType, digest, size: bytes.length };
}

export const json = (value: unknown) => Buffer.from(JSON.stringify(value));

/** Writes an OCI layout with one image whose layers were made by hand; its reference is `test`. */
export function writeLayout(
  directory: string,
  layers: readonly Uint8Array[],
  options: LayoutOptions = {},
): void {
  const { compression = "none" } = options;
  const config: ConfigDocument = {
    architecture: hostArchitecture,
    os: "linux",
    config: { Cmd: ["/bin/sh"], ...options.config },
    rootfs: { type: "layers", diff_ids: layers.map(digestOf) },
  };
  options.editConfig?.(config);
  const layerType = `application/vnd.oci.image.layer.v1.tar${suffixes[compression]}`;
  const manifest: ManifestDocument = {
    schemaVersion: 2,
    mediaType: manifestType,
    config: writeBlob(directory, json(config), configType),
    layers: layers.map((layer) => writeBlob(directory, packers[compression](layer), layerType)),
  };
  options.editManifest?.(manifest);
  const image = writeBlob(directory, json(manifest), manifestType);
  const annotations = { "org.opencontainers.image.ref.name": "test" };
  const index: IndexDocument = { schemaVersion: 2, manifests: [{ ...image, annotations }] };
  options.editIndex?.(index);
  writeFileSync(join(directory, "index.json"), json(index));
  writeFileSync(join(directory, "oci-layout"), '{"imageLayoutVersion": "1.0.0"}');
}
