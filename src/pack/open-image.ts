import { resolve } from "node:path";
import type { Settings } from "../config/index.ts";
import { SmolError } from "../errors.ts";
import { bootable } from "../image/bootable.ts";
import type { BootableImage, Platform, PullProgress } from "../image/index.ts";
import { checkPlatform, hostPlatform, platformName } from "../image/platform.ts";
import { findImage, imageId, openStore } from "../image/store/index.ts";
import { configOf, platformOf } from "./config.ts";
import { beyond } from "./failure.ts";
import { unpackLayer } from "./layers.ts";
import { limits } from "./limits.ts";
import type { Manifest } from "./manifest.ts";
import type { Pack } from "./read.ts";
import { sha256 } from "./zeros.ts";

/** A pack of which the manifest is known. A `Pack` is one; another one may be fetched only when it is read. */
export interface PackSource {
  /** For messages: its file, or its name in a registry. */
  readonly name: string;
  readonly manifest: Manifest;
  /** The pack itself, verified as `openPack` does; it is closed with its source. @throws SmolError; the signal's reason */
  contents(options: FetchOptions): Promise<Pack>;
  /** Told when its image is in the cache, and held: so that its name can be known without asking again. */
  remember?(imageId: string): void;
  close(): Promise<void>;
}

export interface FetchOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told what a download does; never for a pack that is a file. */
  readonly onPull?: ((event: PullProgress) => void) | undefined;
}

export interface OpenPackedOptions extends FetchOptions {
  /** `Paths.cache`. */
  readonly cacheDir: string;
  /** What the machine is to be; default: Linux on the host's architecture. */
  readonly platform?: Platform | undefined;
  /** Told how much of the layers' files is in the cache, while they come; never for a pack that is there. */
  readonly onUnpack?: ((bytes: number, total: number) => void) | undefined;
  /** How much the cache may hold. */
  readonly loadSettings: () => Promise<Settings>;
}

/** How often an image may be removed by others between the moment it is made and the moment it is held. */
const ATTEMPTS = 3;

/**
 * Makes the image of a pack bootable. The first time its layers go into the image cache, each once for all packs and
 * for any number of processes at once; after that, nothing but the pack's manifest is read. When somebody removes the
 * cache meanwhile, it is unpacked again.
 *
 * @throws SmolError `pack.damaged`, `image.wrong_platform`, `image.no_space`, and what `contents` throws; nothing is left
 *   behind then but complete layers. When `signal` fires, its reason.
 */
export async function openPackedImage(pack: PackSource, options: OpenPackedOptions): Promise<BootableImage> {
  const { manifest } = pack;
  const platform = platformOf(manifest);
  checkPlatform(
    platform,
    options.platform ?? hostPlatform(),
    `a pack runs on hosts of its architecture, with every engine: this smolvm has a kernel and an agent for ${platformName(hostPlatform())} only; pack its image for that: pack create --oci-platform`,
  );
  const config = configOf(manifest);
  const layers = manifest.layers.map(({ id }) => id);
  const id = packedImageId(manifest);
  const directory = resolve(`${options.cacheDir}/images`);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const stored = findImage(directory, id);
    const held = stored && bootable(directory, stored, true);
    const image = held ?? (await unpackImage(pack, options, { id, config, platform, diffIds: layers }));
    if (image === undefined) continue;
    pack.remember?.(id);
    return image;
  }
  throw new SmolError(
    "image.removed",
    `other processes keep removing the image of ${pack.name} from the cache`,
  );
}

/** Whether the image of a pack is in the cache. @param cacheDir `Paths.cache` */
export function isUnpacked({ manifest }: Pick<PackSource, "manifest">, cacheDir: string): boolean {
  return findImage(resolve(`${cacheDir}/images`), packedImageId(manifest)) !== undefined;
}

/** What the image of a pack is kept under: the same for the same layers, configuration and platform. */
export function packedImageId(manifest: Manifest): string {
  const layers = manifest.layers.map(({ id }) => id);
  return imageId(platformOf(manifest), layers, `sha256:${sha256(JSON.stringify(configOf(manifest)))}`);
}

type Parts = Parameters<Awaited<ReturnType<typeof openStore>>["assemble"]>[0];

/** @returns undefined when others removed the image, or a layer, before it could be held */
async function unpackImage(
  source: PackSource,
  options: OpenPackedOptions,
  parts: Parts,
): Promise<BootableImage | undefined> {
  const { signal, onUnpack, cacheDir } = options;
  const layers = [...new Map(source.manifest.layers.map((layer) => [layer.id, layer])).values()];
  // Held against the index, layer by layer, as they are unpacked.
  const unpacked = layers.reduce((sum, { data_bytes, tree_bytes }) => sum + data_bytes + tree_bytes, 0);
  if (unpacked > limits.unpackedBytes) throw beyond(`layers of more than ${limits.unpackedBytes} bytes`);
  const store = await openStore(cacheDir);
  const pack = await source.contents(options);
  const total = layers.reduce((sum, { data_bytes }) => sum + data_bytes, 0);
  let done = 0;
  const onBytes = (bytes: number) => {
    done += bytes;
    onUnpack?.(done, total);
  };
  const adding = await store.adding(signal);
  let image: BootableImage | undefined;
  try {
    for (const layer of layers) await unpackLayer(store, pack, layer, { signal, onBytes });
    const { stored, durable } = await store.assemble({ ...parts, origin: "local", signal });
    image = bootable(store.directory, stored, false, durable);
  } catch (error) {
    if (!(error instanceof SmolError) || error.code !== "image.layer_damaged") throw error;
  } finally {
    adding.release();
    if (image === undefined) store.dropUnused(layers.map(({ id }) => id));
  }
  if (image !== undefined) {
    const { makeRoom } = await import("../image/manage/index.ts");
    makeRoom(store.directory, (await options.loadSettings()).cache.maxBytes, image.id);
  }
  return image;
}
