import type { Credentials } from "../registry/index.ts";

/** How an image wants to be run (OCI image configuration). All strings are the image's own: hostile data. */
export interface ImageConfig {
  readonly entrypoint: string[];
  readonly cmd: string[];
  /** `NAME=value`. */
  readonly env: string[];
  /** Absolute, without `.` and `..`. */
  readonly workdir: string;
  /** `user`, `uid`, `user:group` or `uid:gid`; empty for root. */
  readonly user: string;
  readonly labels: Record<string, string>;
  /** Directories that VOLUME names: absolute, without `.` and `..`, never the root; sorted, each once. */
  readonly volumes: readonly string[];
  /** What STOPSIGNAL says: the name of a signal with or without `SIG`, `RTMIN+3`, or a number from 1 to 64. */
  readonly stopSignal: string | undefined;
  /** Ports that EXPOSE names: `80/tcp`. For people and other tools; nothing is published because of them. */
  readonly exposedPorts?: readonly string[] | undefined;
}

/** An image as a read-only disk that a machine can use. */
export interface BootableImage {
  /** `sha256:<hex>`; the same for the same contents, configuration and platform. */
  readonly id: string;
  /** The VMDK descriptor that joins the image's files into one disk, absolute. */
  readonly path: string;
  readonly config: ImageConfig;
  /** Bytes of the joined disk. */
  readonly sizeBytes: number;
  /** Whether it was there already. */
  readonly cached: boolean;
  /**
   * Settles when the image is safe from a power cut; never rejects. Nobody has to wait: an image that was not safe
   * yet is made again after the next start of the host.
   */
  readonly durable: Promise<void>;
  /** Says that the image is not used any more: until then, and as long as this process lives, nothing removes it. */
  readonly release: () => void;
}

/** The kind of machine an image is for, in the words of the OCI image specification (`linux`, `amd64`, `v8`). */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string | undefined;
}

/** What is being done with a local image; counts only grow. */
export type ImageProgress =
  | { readonly kind: "spool"; readonly bytes: number }
  | {
      readonly kind: "layer";
      /** From 1. */
      readonly layer: number;
      readonly layers: number;
      readonly bytes: number;
      readonly total: number;
    }
  | { readonly kind: "directory"; readonly files: number; readonly bytes: number };

/** What a pull does. Digests are those of the blobs as the registry has them; sizes are compressed bytes. */
export type PullProgress =
  /** The registry is being asked. Not sent when the cache has the answer. */
  | { readonly kind: "resolving"; readonly reference: string }
  | {
      readonly kind: "resolved";
      readonly reference: string;
      /** Of what the reference names: an index or a manifest. */
      readonly digest: string;
      readonly platform: string;
      /** Lowest first. `present`: nothing has to be downloaded. */
      readonly layers: readonly { digest: string; size: number; present: boolean }[];
    }
  /** Bytes of a layer downloaded so far; of a present layer, never. */
  | { readonly kind: "layer"; readonly digest: string; readonly bytes: number; readonly size: number }
  /** Another process downloads this layer; nothing comes until it is done. */
  | { readonly kind: "waiting"; readonly digest: string }
  /** The layer is verified and stored. */
  | { readonly kind: "stored"; readonly digest: string }
  | {
      readonly kind: "retry";
      readonly what: string;
      readonly attempt: number;
      readonly delayMs: number;
      readonly reason: string;
    }
  /** All layers are there; their metadata is being merged. */
  | { readonly kind: "merging" }
  | {
      readonly kind: "done";
      readonly reference: string;
      readonly digest: string;
      readonly id: string;
      /** Whether the reference led somewhere else before, or nowhere. */
      readonly changed: boolean;
    };

/** When the registry is asked: only for an image that is not in the cache, each time, or never. */
export type PullPolicy = "missing" | "always" | "never";

export interface OpenImageOptions {
  /** `Paths.cache`. */
  readonly cacheDir: string;
  /** Default: Linux on the host's architecture. */
  readonly platform?: Platform | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Where `-` is read from; default: the process's own standard input. */
  readonly stdin?: AsyncIterable<Uint8Array> | undefined;
  readonly onProgress?: ((event: ImageProgress) => void) | undefined;
  /** Bytes of the image's files after decompression at which it is given up; default: limits.totalBytes. */
  readonly maxImageBytes?: number | undefined;
}

/** How an image of a registry is got; everything has a default but the settings. */
export interface PullOptions {
  /** Default: `missing`. */
  readonly policy?: PullPolicy | undefined;
  readonly onPull?: ((event: PullProgress) => void) | undefined;
  /** Called with the image's configuration before its layers are downloaded; what it throws ends the pull. */
  readonly checkConfig?: ((config: ImageConfig) => void) | undefined;
  /** `--proxy`, `--no-proxy`: win over the environment. */
  readonly proxy?: string | undefined;
  readonly noProxy?: string | undefined;
  /** For the registry that the reference names; default: what the user has for it. */
  readonly credentials?: Credentials | undefined;
}

/** An image in the cache, as `images ls --json` and `images inspect` show it. */
export interface ImageSummary {
  /** `sha256:<hex>`. */
  readonly id: string;
  /** References that lead here, familiar form; empty for images of local archives and replaced tags. */
  readonly references: readonly string[];
  /** Digests of the manifests that led here, `sha256:<hex>`, without the repository. */
  readonly digests: readonly string[];
  /** `linux/amd64`. */
  readonly platform: string;
  /** Seconds since 1970: when the image was stored, and when a machine last started from it. */
  readonly createdAt: number;
  readonly lastUsedAt: number;
  /** Bytes on the disk: all, and the part that removing only this image would free. */
  readonly sizeBytes: number;
  readonly uniqueBytes: number;
  /** Lowest first; bytes on the disk. */
  readonly layers: readonly { readonly diffId: string; readonly bytes: number }[];
  /** Whether a machine (or a pull) uses it right now, or a machine needs it at its next start. */
  readonly inUse: boolean;
  /** Names of the machines that last and are made of it, whether they run or not. */
  readonly machines: readonly string[];
  readonly config: ImageConfig;
}

export interface RemovedImages {
  /** What was (or, with `dryRun`, would be) removed. */
  readonly images: readonly { readonly id: string; readonly references: readonly string[] }[];
  /** References that went while their image stayed, because others lead to it. */
  readonly untagged: readonly string[];
  readonly layers: number;
  readonly freedBytes: number;
  /** What could not be removed, because it is in use: ids. */
  readonly inUse: readonly string[];
  /** By these ids: names of the machines that last and are made of the image; none for one that only runs. */
  readonly machines: Readonly<Record<string, readonly string[]>>;
  /** Layers that nobody needs could not be removed, because something is being added: the next prune will. */
  readonly kept: boolean;
}
