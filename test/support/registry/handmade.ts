import {
  type ConfigDocument,
  type Descriptor,
  hostArchitecture,
  type ManifestDocument,
} from "../../image/layout.ts";
import type { Rule } from "./proxy.ts";
import { serve } from "./serve.ts";

/** A descriptor that may say anything. */
export interface AnyDescriptor extends Omit<Descriptor, "platform"> {
  urls?: string[];
  platform?: Record<string, unknown>;
}

export type Algorithm = "sha256" | "sha512";

export const types = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar",
  gzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  empty: "application/vnd.oci.empty.v1+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerList: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
  dockerLayer: "application/vnd.docker.image.rootfs.diff.tar.gzip",
} as const;

export const digestWith = (algorithm: Algorithm, bytes: Uint8Array) =>
  `${algorithm}:${new Bun.CryptoHasher(algorithm).update(bytes).digest("hex")}`;

export interface ImageEdits {
  readonly config?: (config: ConfigDocument & Record<string, unknown>) => void;
  readonly manifest?: (manifest: ManifestDocument & Record<string, unknown>) => void;
  /** Of blobs, manifest and contents. */
  readonly algorithm?: Algorithm;
  readonly layerType?: string;
  readonly manifestType?: string;
  /** Also found by this name; default `latest`. */
  readonly tag?: string;
}

/**
 * A repository whose every byte is ours, for what no honest registry takes. A proxy serves it: `proxy.add(it.rule)`.
 */
export class Handmade {
  readonly #answers = new Map<string, Rule["act"]>();

  constructor(readonly name: string) {}

  get rule(): Rule {
    return {
      when: ({ path }) => this.#answers.has(path.split("?")[0] ?? ""),
      act: async (exchange) => await this.#answers.get(exchange.request.path.split("?")[0] ?? "")?.(exchange),
    };
  }

  blob(bytes: Uint8Array, mediaType: string, algorithm: Algorithm = "sha256"): Descriptor {
    const digest = digestWith(algorithm, bytes);
    this.#put(`blobs/${digest}`, bytes, "application/octet-stream");
    return { mediaType, digest, size: bytes.length };
  }

  /** Puts a manifest or an index there, by its digest and by a tag. Text is taken as it is. */
  document(
    document: object | string,
    mediaType: string,
    { tag, algorithm = "sha256" }: { tag?: string; algorithm?: Algorithm } = {},
  ): Descriptor {
    const bytes = Buffer.from(typeof document === "string" ? document : JSON.stringify(document));
    const digest = digestWith(algorithm, bytes);
    this.#put(`manifests/${digest}`, bytes, mediaType);
    if (tag !== undefined) this.#put(`manifests/${tag}`, bytes, mediaType);
    return { mediaType, digest, size: bytes.length };
  }

  /** Puts an image of these archives there. */
  image(layers: readonly Uint8Array[], edits: ImageEdits = {}): Descriptor {
    const { algorithm = "sha256", layerType = types.layer, manifestType = types.manifest } = edits;
    const config = {
      architecture: hostArchitecture,
      os: "linux",
      config: { Cmd: ["/bin/sh"] },
      rootfs: { type: "layers", diff_ids: layers.map((layer) => digestWith(algorithm, layer)) },
    };
    edits.config?.(config);
    const isDocker = manifestType === types.dockerManifest;
    const configBytes = Buffer.from(JSON.stringify(config));
    const manifest = {
      schemaVersion: 2,
      mediaType: manifestType,
      config: this.blob(configBytes, isDocker ? types.dockerConfig : types.config, algorithm),
      layers: layers.map((layer) => {
        const isGzip = layerType.endsWith("gzip");
        return this.blob(isGzip ? Bun.gzipSync(new Uint8Array(layer)) : layer, layerType, algorithm);
      }),
    };
    edits.manifest?.(manifest as unknown as ManifestDocument & Record<string, unknown>);
    return this.document(manifest, manifestType, { tag: edits.tag ?? "latest", algorithm });
  }

  #put(path: string, bytes: Uint8Array, mediaType: string): void {
    this.#answers.set(`/v2/${this.name}/${path}`, serve(bytes, mediaType));
  }
}
