import { statfsSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { SmolError } from "../../errors.ts";
import { isReplaceable, NewFile } from "../../image/newfile.ts";
import {
  openRepository,
  type Reference,
  type RegistryOptions,
  type Repository,
} from "../../registry/index.ts";
import { unwritable } from "../failure.ts";
import { decodeManifest, type Manifest } from "../manifest.ts";
import { openPack } from "../read.ts";
import {
  MAX_DOCUMENT,
  mediaTypes,
  memberFor,
  type PackDescriptor,
  readMembers,
  readPackManifest,
} from "./document.ts";

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
  const { path, registry, onProgress } = request;
  const repository = openRepository(request.reference, registry);
  const { pack, ...about } = await find(repository, request);
  if (!attempt(path, () => isReplaceable(path)))
    throw new SmolError("pack.unwritable", `cannot write ${path}: it is there, and is no regular file`);
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
      throw new SmolError(
        "registry.digest_mismatch",
        `${request.reference.familiar} is not what its digest says`,
        {
          hint: "it was damaged on the way, or in the registry: pull again, or push it again",
        },
      );
    }
    await checkContent(file.fd, about.manifest, request.reference.familiar);
    attempt(path, () => file.commit(path));
  } finally {
    file.discard();
  }
  return { ...about, layerDigest: pack.digest, layerBytes: pack.size };
}

/** What cannot fit is not begun, whatever size somebody has made up. */
function checkSpace(path: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(dirname(path));
  if (bytes <= bavail * bsize) return;
  throw new SmolError("pack.no_space", `no room for ${path}: the pack has ${bytes} bytes`, {
    hint: "free some space, or name another place with -o",
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

async function find(
  repository: Repository,
  { reference, platform }: RemotePackRequest,
): Promise<{ readonly manifest: Manifest; readonly digest: string; readonly pack: PackDescriptor }> {
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
