import { assetPath, baseImageConfig, hasAsset, runtimeImagePath, runtimeSharePath } from "../assets/index.ts";
import type { Paths } from "../config/paths.ts";
import type { Engine } from "../engine/index.ts";
import { SmolError } from "../errors.ts";
import type { MachineFiles } from "./plan.ts";
import type { RunRequest } from "./request.ts";
import type { WorkloadDefaults } from "./workload.ts";

export interface ResolvedImage extends WorkloadDefaults {
  /** EROFS image of the root filesystem. */
  readonly path: string;
}

/** Makes the requested image bootable; a cached one, or the built-in one, costs a few file look-ups. */
export async function resolveImage(
  request: RunRequest,
  paths: Paths,
  signal: AbortSignal,
): Promise<ResolvedImage> {
  const { image: source } = request;
  if (source === undefined) {
    return { path: await assetPath("base", paths.cache), entrypoint: [], user: "", ...baseImageConfig() };
  }
  const { isLocalImage, openLocalImage } = await import("../image/index.ts");
  if (!isLocalImage(source)) {
    throw new SmolError("image.not_local", `no such file or directory: ${source}`, {
      hint: "this release takes a `docker save` archive, an OCI layout, a root filesystem directory, or - for standard input",
    });
  }
  const image = await naming(
    source,
    openLocalImage(source, {
      cacheDir: paths.cache,
      signal,
      ...(request.platform === undefined ? {} : { platform: request.platform }),
      ...(source === "-" ? { stdin: Bun.stdin.stream() } : {}),
    }),
  );
  return { path: image.path, ...image.config };
}

/** Says in an error which image it is about. */
async function naming<T>(source: string, opening: Promise<T>): Promise<T> {
  try {
    return await opening;
  } catch (error) {
    if (!(error instanceof SmolError) || error.message.includes(source)) throw error;
    const { code, hint, exitCode } = error;
    const where = source === "-" ? "standard input" : source;
    throw new SmolError(code, `${where}: ${error.message}`, {
      cause: error,
      ...(hint === undefined ? {} : { hint }),
      ...(exitCode === undefined ? {} : { exitCode }),
    });
  }
}

/** Finds every file that a machine is made of, unpacking at the first use what this program carries. */
export async function resolveFiles(
  engine: Engine,
  image: ResolvedImage,
  paths: Paths,
): Promise<MachineFiles> {
  const cache = paths.cache;
  const [kernel, system, overlayTemplate, storageTemplate, runtime, libkrun] = await Promise.all([
    assetPath("kernel", cache),
    assetPath("system", cache),
    assetPath("overlay", cache),
    assetPath("storage", cache),
    engine.runtime === "share"
      ? runtimeSharePath(cache).then((share) => ({ share }))
      : runtimeImagePath(cache).then((disk) => ({ disk })),
    engine.name === "krun" ? assetPath("libkrun", cache) : undefined,
  ]);
  return {
    kernel,
    system,
    image: image.path,
    overlayTemplate,
    storageTemplate,
    runtime,
    ...(libkrun === undefined ? {} : { libkrun }),
  };
}

/** How `chooseEngine` gets at libkrun, if this build carries it. */
export function libkrunSource(paths: Paths): (() => Promise<string>) | undefined {
  return hasAsset("libkrun") ? () => assetPath("libkrun", paths.cache) : undefined;
}
