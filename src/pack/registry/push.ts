import { open } from "node:fs/promises";
import { basename } from "node:path";
import { SmolError } from "../../errors.ts";
import {
  type BlobSource,
  openPusher,
  openRepository,
  type PushOutcome,
  type Reference,
  type RegistryOptions,
} from "../../registry/index.ts";
import { openPack } from "../read.ts";
import {
  digestOf,
  MAX_DOCUMENT,
  mediaTypes,
  type PackDescriptor,
  packIndex,
  packManifest,
  readMembers,
} from "./document.ts";

export interface PushPackRequest {
  /** Of the pack. */
  readonly path: string;
  readonly reference: Reference;
  readonly registry: RegistryOptions;
  /** Called with the bytes that the registry has so far, of all. */
  readonly onProgress?: ((bytes: number, total: number) => void) | undefined;
}

export interface PushedPack {
  /** What became of the pack's bytes. */
  readonly outcome: PushOutcome;
  /** SHA-256 of the whole file. */
  readonly layerDigest: string;
  readonly layerBytes: number;
  /** Of the pack for this platform: what a pull by digest names. */
  readonly manifestDigest: string;
  /** Of what the tag names: an index of platforms. */
  readonly indexDigest: string;
}

const CHUNK = 4 * 1024 * 1024;

/**
 * Pushes a pack: its bytes, its manifest, and an index under the tag that keeps packs for other platforms.
 *
 * Two who push packs for two platforms under one tag at the same moment may lose one: registries cannot change a tag only
 * if it is as it was.
 *
 * @throws SmolError `pack.*`, `registry.*`; the signal's reason
 */
export async function pushPack(request: PushPackRequest): Promise<PushedPack> {
  const { path, reference, registry, onProgress } = request;
  const { tag, digest } = reference;
  if (tag === undefined || digest !== undefined) {
    throw new SmolError("registry.bad_reference", "a pack is pushed to a tag: a digest is what comes of it");
  }
  // The pack is verified as far as everything hangs on it, before anybody is given it.
  const pack = await openPack(path);
  const section = pack.sections.find(({ kind }) => kind === "manifest");
  if (section === undefined || pack.start !== 0) {
    await pack.close();
    throw new SmolError("pack.not_a_pack", `${path} is a program with a pack in it`, {
      hint: "push the .smolmachine file that pack create makes without --single-file",
    });
  }
  await using file = await open(path, "r");
  try {
    const parts: Buffer[] = [];
    for await (const part of pack.stored(section)) parts.push(part);
    const about = Buffer.concat(parts);
    const layer = await knownFile(file, registry.signal);
    const config = { digest: digestOf(about), size: about.length };
    const pusher = await openPusher(reference, registry);
    await pusher.blob(sourceOf(about, config.digest));
    const outcome = await pusher.blob(layer, { onProgress: (bytes) => onProgress?.(bytes, layer.size) });
    const { platform } = pack.manifest;
    const known = { digest: layer.digest, size: layer.size };
    const manifest = packManifest(known, config, pack.manifest, basename(path));
    const manifestDigest = await pusher.manifest(digestOf(manifest), manifest, mediaTypes.manifest);
    await pusher.manifest(platformTag(tag, platform), manifest, mediaTypes.manifest);
    const members = await membersOf(reference, tag, registry);
    const index = packIndex(members, { digest: manifestDigest, size: manifest.length }, platform);
    const indexDigest = await pusher.manifest(tag, index, mediaTypes.index);
    return { outcome, layerDigest: layer.digest, layerBytes: layer.size, manifestDigest, indexDigest };
  } finally {
    await pack.close();
  }
}

/** `1.0-linux-amd64`, for those who do not read indexes; shortened where a tag would be too long. */
const platformTag = (tag: string, platform: string): string => {
  const suffix = `-${platform.replaceAll("/", "-")}`;
  return `${tag.slice(0, 128 - suffix.length)}${suffix}`;
};

/** Packs for other platforms under the tag; none when it is new, or names something else. */
async function membersOf(
  reference: Reference,
  tag: string,
  registry: RegistryOptions,
): Promise<PackDescriptor[]> {
  try {
    const found = await openRepository(reference, registry).manifest(tag, MAX_DOCUMENT);
    if (found.mediaType !== mediaTypes.index) return [];
    const members = readMembers(found.bytes, reference.familiar);
    return members.filter(({ artifactType }) => artifactType === mediaTypes.pack);
  } catch (error) {
    if (error instanceof SmolError && error.code === "registry.not_found") return [];
    throw error;
  }
}

function sourceOf(bytes: Buffer, digest: string): BlobSource {
  const read = async (offset: number, length: number) =>
    new Uint8Array(bytes.subarray(offset, offset + length));
  return { digest, size: bytes.length, read };
}

type OpenFile = Awaited<ReturnType<typeof open>>;

/** A file as something to push. It is read twice: a registry wants to know the digest of what comes. */
async function knownFile(file: OpenFile, signal: AbortSignal | undefined): Promise<BlobSource> {
  const hasher = new Bun.CryptoHasher("sha256");
  const { size } = await file.stat();
  const read = async (offset: number, length: number) => {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const { bytesRead } = await file.read(bytes, done, length - done, offset + done);
      if (bytesRead === 0)
        throw new SmolError("pack.unreadable", "the pack became shorter while it was read");
      done += bytesRead;
    }
    return bytes;
  };
  for (let done = 0; done < size; done += CHUNK) {
    signal?.throwIfAborted();
    hasher.update(await read(done, Math.min(CHUNK, size - done)));
  }
  return { digest: `sha256:${hasher.digest("hex")}`, size, read };
}
