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
  readonly stopSignal?: string;
}

/** An image as a read-only filesystem that a machine can use. */
export interface BootableImage {
  /** `sha256:<hex>`; the same for the same contents, configuration and platform. */
  readonly id: string;
  /** The EROFS file, absolute. */
  readonly path: string;
  readonly config: ImageConfig;
  readonly sizeBytes: number;
  /** Whether it was there already. */
  readonly cached: boolean;
  /**
   * Settles when the image is safe from a power cut; never rejects. Nobody has to wait: an image that was not safe
   * yet is made again after the next start of the host.
   */
  readonly durable: Promise<void>;
}

/** The kind of machine an image is for, in the words of the OCI image specification (`linux`, `amd64`, `v8`). */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** What is being done; counts only grow. */
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

export interface OpenImageOptions {
  /** `Paths.cache`. */
  readonly cacheDir: string;
  /** Default: Linux on the host's architecture. */
  readonly platform?: Platform;
  readonly signal?: AbortSignal;
  /** Where `-` is read from; default: the process's own standard input. */
  readonly stdin?: ReadableStream<Uint8Array>;
  readonly onProgress?: (event: ImageProgress) => void;
}
