/** Registries: names of images, and a client (OCI distribution specification 1.1, Docker registry v2). */
import type { BlobDescriptor, Pusher, Reference, RegistryOptions, Repository } from "./types.ts";

export type { CredentialSource, Credentials } from "./credentials/index.ts";
export { isDigest } from "./digest.ts";
export { DEFAULT_REGISTRY, parseReference } from "./reference.ts";
export type {
  BlobDescriptor,
  BlobOptions,
  BlobSource,
  Manifest,
  Pusher,
  PushOutcome,
  Reference,
  RegistryOptions,
  Repository,
  RetryEvent,
} from "./types.ts";

/** A repository to pull from. Nothing is loaded or sent before it is asked for something. */
export function openRepository(reference: Reference, options: RegistryOptions): Repository {
  let opened: Promise<Repository> | undefined;
  const open = () => {
    opened ??= import("./pull/index.ts").then((pull) => pull.createRepository(reference, options));
    return opened;
  };
  return {
    manifest: async (tagOrDigest, maxBytes) => (await open()).manifest(tagOrDigest, maxBytes),
    resolve: async (tagOrDigest, maxBytes) => (await open()).resolve(tagOrDigest, maxBytes),
    async *blob(descriptor: BlobDescriptor, blobOptions) {
      yield* (await open()).blob(descriptor, blobOptions);
    },
  };
}

/** A repository to push to; what it has is read by `openRepository`. @throws SmolError `registry.*` */
export async function openPusher(reference: Reference, options: RegistryOptions): Promise<Pusher> {
  const { createPusher } = await import("./push/index.ts");
  return createPusher(reference, options);
}
