import { assetPath, baseImageConfig, hasAsset } from "../assets/index.ts";
import type { Paths } from "../config/paths.ts";
import type { DiskFormat, Engine } from "../engine/index.ts";
import { SmolError } from "../errors.ts";
import { readStdin } from "../stdio/index.ts";
import { type DiskSizes, templateOf } from "./disks/index.ts";
import type { MachineFiles } from "./plan.ts";
import type { RunRequest } from "./request.ts";
import { argumentsOf, type WorkloadDefaults } from "./workload.ts";

export interface ResolvedImage extends WorkloadDefaults {
  /** `sha256:<hex>`; null for the built-in one. */
  readonly id: string | null;
  /** The root filesystem: an EROFS image, or the descriptor that joins one out of several files. */
  readonly path: string;
  readonly format: DiskFormat;
  /** Directories that VOLUME names, and what STOPSIGNAL says: as `ImageConfig`. */
  readonly volumes: readonly string[];
  readonly stopSignal: string | undefined;
}

/**
 * Makes the requested image bootable; a cached one, or the built-in one, costs a few file look-ups. Nothing removes it
 * from the cache as long as this process lives, and the machine does not outlive this process.
 */
export async function resolveImage(
  request: RunRequest,
  paths: Paths,
  signal: AbortSignal,
): Promise<ResolvedImage> {
  const { image: source } = request;
  if (source === undefined) {
    const path = await assetPath("base", paths.cache);
    return { id: null, path, format: "raw", entrypoint: [], user: "", ...baseImageConfig() };
  }
  const { openImage } = await import("../image/index.ts");
  const image = await naming(
    source,
    openImage(source, {
      cacheDir: paths.cache,
      signal,
      loadSettings: async () => {
        const settings = await (await import("../config/index.ts")).loadSettings(paths);
        for (const note of settings.notes) request.onNote?.(note);
        return settings;
      },
      policy: request.pull,
      checkConfig: (config) => void argumentsOf(request, config),
      onPull: request.onPull,
      proxy: request.proxy,
      noProxy: request.noProxy,
      maxImageBytes: request.maxImageBytes,
      platform: request.platform,
      stdin: source === "-" ? readStdin() : undefined,
    }),
  );
  return { id: image.id, path: image.path, format: "vmdk", ...image.config };
}

/** Says in an error which image it is about. */
async function naming<T>(source: string, opening: Promise<T>): Promise<T> {
  try {
    return await opening;
  } catch (error) {
    const where = source === "-" ? "standard input" : source;
    if (!(error instanceof SmolError) || error.message.includes(where)) throw error;
    const { code, hint, exitCode } = error;
    throw new SmolError(code, `${where}: ${error.message}`, {
      cause: error,
      hint,
      exitCode,
    });
  }
}

/** Finds every file that a machine is made of, unpacking at the first use what this program carries. */
export async function resolveFiles(
  engine: Engine,
  image: ResolvedImage,
  sizes: DiskSizes,
  paths: Paths,
): Promise<MachineFiles> {
  const cache = paths.cache;
  const [kernel, system, overlayTemplate, storageTemplate, libkrun] = await Promise.all([
    assetPath("kernel", cache),
    assetPath("system", cache),
    assetPath(templateOf("overlay", sizes.overlayGib), cache),
    assetPath(templateOf("storage", sizes.storageGib), cache),
    engine.name === "krun" ? assetPath("libkrun", cache) : undefined,
  ]);
  return {
    kernel,
    system,
    image: { path: image.path, format: image.format },
    overlayTemplate,
    storageTemplate,
    libkrun,
  };
}

/** How `chooseEngine` gets at libkrun, if this build carries it. */
export function libkrunSource(paths: Paths): (() => Promise<string>) | undefined {
  return hasAsset("libkrun") ? () => assetPath("libkrun", paths.cache) : undefined;
}
