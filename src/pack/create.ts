import type { KeyObject } from "node:crypto";
import { SmolError } from "../errors.ts";
import type { BootableImage, Platform } from "../image/index.ts";
import { hostPlatform, platformName } from "../image/platform.ts";
import { describeImage } from "../image/store/index.ts";
import { mergeEnvironment } from "../machine/model/environment.ts";
import type { MachineSpec, SpecLayer } from "../machine/model/index.ts";
import { version } from "../version.ts";
import { configOf, configToManifest } from "./config.ts";
import { packLayer } from "./layers.ts";
import { carriesSecrets, type Manifest, type PackedLayer } from "./manifest.ts";
import { refuseHost } from "./reach.ts";
import { settingsToManifest } from "./spec.ts";
import { PackWriter, type RuntimeFile, type WrittenPack } from "./write.ts";

export interface CreatePackOptions {
  /** Held by the caller. */
  readonly image: BootableImage;
  /** `Paths.cache`. */
  readonly cacheDir: string;
  /** What the machine is; `image` is the name that the pack gets. */
  readonly spec: MachineSpec;
  /** See `settingsToManifest`. */
  readonly said: (field: keyof SpecLayer) => boolean;
  readonly mode: Manifest["mode"];
  /** What the image's name led to in its registry. */
  readonly digest: string | null;
  /** Seconds since 1970. */
  readonly created: number;
  /** The file that appears. */
  readonly output: string;
  /** A program that the pack is appended to. */
  readonly program?: string | undefined;
  readonly runtimes?: readonly RuntimeFile[] | undefined;
  readonly signWith?: KeyObject | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told how many bytes of the layers' files have been packed. */
  readonly onBytes?: ((bytes: number, total: number) => void) | undefined;
}

/**
 * Packs an image of the cache.
 *
 * @throws SmolError `pack.*`, `image.layer_damaged`; nothing is left then. When `signal` fires, its reason.
 */
export async function createPack(
  options: CreatePackOptions,
): Promise<WrittenPack & { readonly manifest: Manifest }> {
  const { image, cacheDir, spec, output, signal, onBytes } = options;
  if (spec.secrets.length > 0) throw carriesSecrets();
  refuseHost(settingsToManifest(spec, options.said).network);
  const directory = `${cacheDir}/images`;
  const stored = describeImage(directory, image.id);
  if (stored === undefined)
    throw new SmolError("image.removed", "the image was removed from the cache meanwhile");
  const total = new Map(stored.layers.map(({ diffId, bytes }) => [diffId, bytes]))
    .values()
    .reduce((a, b) => a + b, 0);
  let done = 0;
  const report = (bytes: number) => {
    done += bytes;
    onBytes?.(done, total);
  };
  const writer = new PackWriter(output, options.program);
  try {
    const layers = new Map<string, PackedLayer>();
    for (const { diffId } of stored.layers) {
      if (layers.has(diffId)) continue;
      layers.set(diffId, await packLayer(writer, directory, diffId, { signal, onBytes: report }));
    }
    const packed = stored.layers.flatMap(({ diffId }) => layers.get(diffId) ?? []);
    const manifest = manifestOf(options, stored.platform, packed);
    return {
      ...writer.finish({ manifest, runtimes: options.runtimes, signWith: options.signWith }),
      manifest,
    };
  } finally {
    writer.close();
  }
}

function manifestOf(options: CreatePackOptions, platform: Platform, layers: PackedLayer[]): Manifest {
  const { spec, image, digest, created, said } = options;
  const { config } = image;
  const own = spec.entrypoint !== null;
  const stopSignal = spec.stopSignal ?? config.stopSignal;
  const merged = configToManifest({
    ...config,
    entrypoint: spec.entrypoint ?? config.entrypoint,
    // As everywhere: an entrypoint of one's own drops the image's CMD.
    cmd: spec.cmd.length > 0 || own ? spec.cmd : config.cmd,
    env: mergeEnvironment(config.env, spec.env),
    workdir: spec.workdir ?? config.workdir,
    user: spec.user ?? config.user,
    stopSignal,
    labels: { ...config.labels, ...spec.labels },
  });
  // As its reader will.
  configOf(merged);
  return {
    format: 1,
    mode: options.mode,
    image: spec.image,
    digest,
    platform: platformName(platform),
    host_platform: hostName(),
    created: new Date(created * 1000).toISOString().replace(".000Z", "Z"),
    smolvm_version: version,
    ...merged,
    ...settingsToManifest(spec, said),
    layers,
  };
}

/** The platform of this host, in the words of `host_platform`. */
export const hostName = (): string => `${process.platform}/${hostPlatform().architecture}`;
