import type { RegistrySettings } from "../config/index.ts";
import type { CredentialSource } from "./credentials/index.ts";

/** A name of an image, complete: nothing has to be guessed any more. */
export interface Reference {
  /** Host and port as names spell them: `docker.io`, `localhost:5000`, `[::1]:5000`. */
  readonly registry: string;
  /** `library/alpine`. */
  readonly repository: string;
  /** `latest` when the name has neither a tag nor a digest. */
  readonly tag: string | undefined;
  /** `sha256:<hex>` or `sha512:<hex>`; it decides when there is a tag too. */
  readonly digest: string | undefined;
  /** `docker.io/library/alpine:latest`, with `@sha256:…` when there is a digest. */
  readonly canonical: string;
  /** What users write: `alpine:latest`. */
  readonly familiar: string;
}

export interface RetryEvent {
  /** `manifest latest`, `layer sha256:0123456789ab`. */
  readonly what: string;
  /** The attempt that failed, from 1. */
  readonly attempt: number;
  readonly delayMs: number;
  readonly reason: string;
}

export interface RegistryOptions {
  readonly settings: RegistrySettings;
  readonly credentials: CredentialSource;
  /** Proxies and certificates; default: `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Wins over the environment. An empty `url`: no proxy. */
  readonly proxy?: { readonly url?: string | undefined; readonly noProxy?: string | undefined };
  /** A connection that brings nothing for so long is given up; default 30,000. */
  readonly stallMs?: number | undefined;
  /** A host that cannot be connected to for so long is given up; default 10,000. */
  readonly connectMs?: number | undefined;
  /** Attempts without any progress in a row; default 5. */
  readonly attempts?: number | undefined;
  /** The first wait between attempts, doubled each time; default 500. */
  readonly backoffMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onRetry?: ((event: RetryEvent) => void) | undefined;
}

export interface Manifest {
  readonly bytes: Uint8Array;
  /** Without parameters, lower case. */
  readonly mediaType: string;
  readonly digest: string;
}

/** What is downloaded: the part of an OCI descriptor that matters for it. */
export interface BlobDescriptor {
  readonly digest: string;
  readonly size: number;
  /** Other places, which nothing is fetched from (CVE-2020-15157). */
  readonly urls?: readonly string[] | undefined;
}

export interface BlobOptions {
  readonly signal?: AbortSignal | undefined;
  /** Not from a mirror. */
  readonly origin?: boolean | undefined;
  /** A small JSON document, which is decoded when a server sends it compressed; what else is compressed is refused. */
  readonly document?: boolean | undefined;
}

/** One repository of a registry, to pull from. Every method throws SmolError `registry.*`, or the signal's reason. */
export interface Repository {
  /**
   * A manifest or an index, at most `maxBytes` of it. Its digest is compared with the one that was asked for, and
   * with the one that the registry says it has.
   */
  manifest(tagOrDigest: string, maxBytes: number): Promise<Manifest>;
  /** The digest that a tag stands for now, without a download where the registry allows that. */
  resolve(tagOrDigest: string, maxBytes: number): Promise<string>;
  /**
   * The bytes of a blob: exactly `size` of them, or an error. A broken connection is resumed where it broke. What
   * the bytes are is for the caller to check: a mirror or a resumed download may have mixed two blobs.
   */
  blob(descriptor: BlobDescriptor, options?: BlobOptions): AsyncGenerator<Uint8Array, void, undefined>;
}

/** What is pushed. It is read again where a connection breaks. */
export interface BlobSource {
  readonly digest: string;
  readonly size: number;
  /** Exactly so many bytes from an offset on; valid until the next call. */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
}

export interface PushBlobOptions {
  readonly signal?: AbortSignal | undefined;
  /** Other repositories of the same registry that may have it: then nothing has to be sent. */
  readonly mountFrom?: readonly string[] | undefined;
  /** Called with the bytes that the registry has so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/** What was done for a blob: nothing, because the repository has it; a mount from another one; an upload. */
export type PushOutcome = "present" | "mounted" | "uploaded";

/** One repository of a registry, to push to. Every method throws SmolError `registry.*`, or the signal's reason. */
export interface Pusher {
  /** Sees to it that the repository has a blob. */
  blob(source: BlobSource, options?: PushBlobOptions): Promise<PushOutcome>;
  /** Stores a manifest or an index, whose blobs have to be there. @returns its digest */
  manifest(tagOrDigest: string, bytes: Uint8Array, mediaType: string): Promise<string>;
}
