import { statfsSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { SmolError } from "../../errors.ts";
import type { PullPolicy, PullProgress } from "../../image/index.ts";
import { isReplaceable, NewFile } from "../../image/newfile.ts";
import {
  openRepository,
  type Reference,
  type RegistryOptions,
  type Repository,
} from "../../registry/index.ts";
import { unwritable } from "../failure.ts";
import { decodeManifest, type Manifest } from "../manifest.ts";
import type { PackSource } from "../open-image.ts";
import { openPack, type Pack } from "../read.ts";
import {
  MAX_DOCUMENT,
  mediaTypes,
  memberFor,
  type PackDescriptor,
  readMembers,
  readPackManifest,
} from "./document.ts";
import { type FoundPack, knownPack, rememberPack } from "./known.ts";

export interface RemotePackRequest {
  readonly reference: Reference;
  /** Of the guest: `linux/amd64`. */
  readonly platform: string;
  readonly registry: RegistryOptions;
}

export interface PullPackRequest extends RemotePackRequest {
  /** Where the file is to be. It appears complete and verified, in the place of a file that is there, or not at all. */
  readonly path: string;
  readonly onProgress?: ((bytes: number, total: number) => void) | undefined;
}

/** A pack in a registry. */
export interface RemotePack {
  readonly manifest: Manifest;
  /** What its name led to: an index or a manifest. */
  readonly digest: string;
  readonly layerDigest: string;
  readonly layerBytes: number;
}

/**
 * What a pack says about itself, without downloading it: a few kilobytes.
 *
 * @throws SmolError `registry.*`, `pack.not_a_pack`, `pack.wrong_platform`, `pack.damaged`
 */
export async function inspectRemotePack(request: RemotePackRequest): Promise<RemotePack> {
  const repository = openRepository(request.reference, request.registry);
  const { pack, ...about } = await find(repository, request);
  return { ...about, layerDigest: pack.digest, layerBytes: pack.size };
}

/**
 * Downloads a pack. A broken connection goes on where it broke; nothing has a name before all of it has the digest that
 * was promised.
 *
 * @throws SmolError as `inspectRemotePack`, `pack.no_space`, `pack.unwritable`; the signal's reason
 */
export async function pullPack(request: PullPackRequest): Promise<RemotePack> {
  const { path, registry } = request;
  const repository = openRepository(request.reference, registry);
  const { pack, ...about } = await find(repository, request);
  if (!attempt(path, () => isReplaceable(path)))
    throw new SmolError("pack.unwritable", `cannot write ${path}: it is there, and is no regular file`);
  const file = await download(repository, about.manifest, pack, request);
  try {
    attempt(path, () => file.commit(path));
  } finally {
    file.discard();
  }
  return { ...about, layerDigest: pack.digest, layerBytes: pack.size };
}

/** Where a download goes, and who is told of it. */
interface DownloadRequest extends Pick<PullPackRequest, "reference" | "onProgress"> {
  /** In the directory where the file is made. */
  readonly path: string;
}

/**
 * The file of a pack, verified. It has no name yet: the caller gives it one, or discards it.
 *
 * @param announced what the registry says the pack is
 */
async function download(
  repository: Repository,
  announced: Manifest,
  pack: PackDescriptor,
  { path, reference, onProgress }: DownloadRequest,
): Promise<NewFile> {
  attempt(path, () => checkSpace(path, pack.size));
  const file = attempt(path, () => new NewFile(dirname(path)));
  try {
    const hasher = new Bun.CryptoHasher(pack.digest.startsWith("sha512:") ? "sha512" : "sha256");
    let done = 0;
    for await (const bytes of repository.blob(pack)) {
      hasher.update(bytes);
      attempt(path, () => writeAt(file.fd, bytes, done));
      done += bytes.length;
      onProgress?.(done, pack.size);
    }
    if (hasher.digest("hex") !== pack.digest.slice(pack.digest.indexOf(":") + 1)) {
      throw new SmolError("registry.digest_mismatch", `${reference.familiar} is not what its digest says`, {
        hint: "it was damaged on the way, or in the registry: pull again, or push it again",
      });
    }
    await checkContent(file.fd, announced, reference.familiar);
    return file;
  } catch (error) {
    file.discard();
    throw error;
  }
}

/** How long a silent registry is waited for, and how often it is asked. */
export type Patience = Partial<Pick<RegistryOptions, "stallMs" | "attempts">>;

/**
 * A pack in a registry, to be run: what it says about itself is asked for now; the pack is downloaded when its contents
 * are, into a file without a name in the cache, which is gone when the source is closed.
 *
 * @param cacheDir `Paths.cache`
 * @param how `policy`: as for images, what is known of the pack is not asked for again unless it says `always`;
 *   `patience`: for that first question alone, in place of what `request` says
 * @throws SmolError as `inspectRemotePack`
 */
export async function openRemotePack(
  request: RemotePackRequest,
  cacheDir: string,
  how: { readonly policy?: PullPolicy | undefined; readonly patience?: Patience | undefined } = {},
): Promise<PackSource> {
  const { reference, registry, platform } = request;
  const images = `${cacheDir}/images`;
  const known = how.policy === "always" ? undefined : knownPack(images, reference, platform);
  const found = known ?? (await find(openRepository(reference, { ...registry, ...how.patience }), request));
  const { manifest, digest, pack } = found;
  let opened: Pack | undefined;
  return {
    name: reference.familiar,
    manifest,
    contents: async ({ signal, onPull }) => {
      opened ??= await fetchPack(signal, onPull);
      return opened;
    },
    remember: () => {
      if (known === undefined) rememberPack(images, reference, found);
    },
    close: async () => await opened?.close(),
  };

  async function fetchPack(
    signal: AbortSignal | undefined,
    onPull: ((event: PullProgress) => void) | undefined,
  ): Promise<Pack> {
    const { familiar } = reference;
    const { digest: layer, size } = pack;
    const layers = [{ digest: layer, size, present: false }];
    onPull?.({ kind: "resolved", reference: familiar, digest, platform, layers });
    const onRetry: RegistryOptions["onRetry"] = (event) => onPull?.({ kind: "retry", ...event });
    const repository = openRepository(reference, { ...registry, signal, onRetry });
    const onProgress = (bytes: number) => onPull?.({ kind: "layer", digest: layer, bytes, size });
    const file = await download(repository, manifest, pack, {
      path: `${images}/pack`,
      ...{ reference, onProgress },
    });
    try {
      const found = await openPack(`/dev/fd/${file.fd}`);
      onPull?.({ kind: "stored", digest: layer });
      return found;
    } finally {
      file.discard();
    }
  }
}

/** What cannot fit is not begun, whatever size somebody has made up. */
function checkSpace(path: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(dirname(path));
  if (bytes <= bavail * bsize) return;
  throw new SmolError("pack.no_space", `no room for ${path}: the pack has ${bytes} bytes`, {
    hint: "free some space there, or get it elsewhere: smolvm pack pull -o PATH",
  });
}

function writeAt(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; )
    done += writeSync(fd, bytes, done, bytes.length - done, position + done);
}

/** The file has no name yet. @throws SmolError `pack.*` when it is no pack, or another one than was announced */
async function checkContent(fd: number, announced: Manifest, what: string): Promise<void> {
  const pack = await openPack(`/dev/fd/${fd}`);
  await pack.close();
  if (Bun.deepEquals(pack.manifest, announced)) return;
  throw new SmolError("pack.damaged", `${what} is another pack than the registry says of it`, {
    hint: "push it again",
  });
}

async function find(repository: Repository, { reference, platform }: RemotePackRequest): Promise<FoundPack> {
  const what = reference.familiar;
  const top = await repository.manifest(reference.digest ?? reference.tag ?? "latest", MAX_DOCUMENT);
  let { bytes } = top;
  if (top.mediaType === mediaTypes.index) {
    const member = memberFor(readMembers(bytes, what), platform, what);
    bytes = (await repository.manifest(member.digest, MAX_DOCUMENT)).bytes;
  }
  const { config, pack } = readPackManifest(bytes, what);
  const manifest = decodeManifest(await document(repository, config, what));
  if (manifest.platform !== platform) {
    const only = `${what} is for ${manifest.platform}, and ${platform} is needed`;
    throw new SmolError("pack.wrong_platform", only);
  }
  return { manifest, digest: top.digest, pack };
}

/** A small blob in full. */
async function document(repository: Repository, descriptor: PackDescriptor, what: string): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of repository.blob(descriptor, { document: true })) parts.push(part.slice());
  const bytes = Buffer.concat(parts);
  const algorithm = descriptor.digest.startsWith("sha512:") ? "sha512" : "sha256";
  const digest = `${algorithm}:${new Bun.CryptoHasher(algorithm).update(bytes).digest("hex")}`;
  if (digest === descriptor.digest) return bytes;
  throw new SmolError("registry.digest_mismatch", `the manifest of ${what} is not what its digest says`);
}

function attempt<Result>(path: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    throw unwritable(path, error);
  }
}
