import { assetId, assetPath, assetPathOf, baseImageConfig, hasAsset } from "../../assets/index.ts";
import type { Settings } from "../../config/index.ts";
import type { Context } from "../../context.ts";
import type { DiskFormat, EngineName } from "../../engine/index.ts";
// Not the folder's face, which loads the engines.
import { findLibkrun } from "../../engine/krun/library.ts";
import { SmolError } from "../../errors.ts";
import type { BootableImage, Platform, PullPolicy, PullProgress } from "../../image/index.ts";
import type { PackSource } from "../../pack/index.ts";
import type { Credentials } from "../../registry/index.ts";
import { type DiskSizes, templateOf } from "../disks/index.ts";
import type { ImageFacts, MachineFiles } from "./order.ts";
import type { WorkloadDefaults } from "./workload.ts";

/** How an image is found, beside its name. */
export interface ImageOptions {
  /** When a registry is asked for the image; default: when it is not in the cache. */
  readonly pull?: PullPolicy | undefined;
  /** Default: this host's. */
  readonly platform?: Platform | undefined;
  /** Win over the environment. */
  readonly proxy?: string | undefined;
  readonly noProxy?: string | undefined;
  /** For the registry that the image's name has; default: what the user has for it. */
  readonly credentials?: Credentials | undefined;
  /** Bytes of the image's files at which a pull is given up. */
  readonly maxImageBytes?: number | undefined;
  /** The pack that the image is in: its name means nothing then. The caller closes it. */
  readonly pack?: PackSource | undefined;
  /** Where an image of this host is read, for a caller that has opened it: its name is only its name then. */
  readonly file?: string | undefined;
  /** Told how many bytes of a pack's layers are in the cache, while they come. */
  readonly onUnpack?: ((bytes: number, total: number) => void) | undefined;
  /** The archive, for an image called `-`. */
  readonly stdin?: AsyncIterable<Uint8Array> | undefined;
  /** Told what a pull does; an image that is in the cache has nothing to tell. */
  readonly onPull?: ((event: PullProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Throws when the machine could not run what the image says; asked before anything is downloaded but its config. */
  readonly checkConfig?: ((config: Pick<WorkloadDefaults, "entrypoint" | "cmd">) => void) | undefined;
}

/** An image that no process removes from the cache until it is released, or this process ends. */
export interface ResolvedImage {
  readonly facts: ImageFacts;
  /** The root filesystem: an EROFS image, or the descriptor that joins one out of several files. */
  readonly path: string;
  readonly format: DiskFormat;
  /** The built-in image's: which one it is (`assetId`); null for every other. */
  readonly baseId: string | null;
  /** Settles when the image is safe from a power cut; never rejects. */
  readonly durable: Promise<void>;
  readonly release: () => void;
}

/**
 * Makes an image bootable; a cached one, or the built-in one, costs a few file look-ups.
 *
 * @param source as the user names it; null: the built-in one
 * @param baseId the built-in image that the machine was begun on, perhaps by another version of the program; null: the
 * one of this program. Where that other one is gone it is this program's, too, with a note.
 */
export async function resolveImage(
  context: Context,
  source: string | null,
  options: ImageOptions,
  baseId: string | null = null,
): Promise<ResolvedImage> {
  if (source === null) {
    const facts = { id: null, ...baseImageConfig(), entrypoint: [], cmd: [], user: "" };
    const base = await resolveBase(context, baseId);
    return { facts, ...base, format: "raw", durable: Promise.resolve(), release: () => {} };
  }
  const image = await (options.pack === undefined
    ? openNamed(context, source, options)
    : openPacked(context, options.pack, options));
  const { id, path, config, durable, release } = image;
  const { entrypoint, cmd, env, workdir, user, volumes, stopSignal } = config;
  return {
    facts: { id, entrypoint, cmd, env, workdir, user, volumes, stopSignal },
    path,
    format: "vmdk",
    baseId: null,
    durable,
    release,
  };
}

async function openNamed(context: Context, source: string, options: ImageOptions): Promise<BootableImage> {
  const { openImage } = await import("../../image/index.ts");
  const opening = openImage(options.file ?? source, {
    cacheDir: context.paths.cache,
    signal: options.signal ?? new AbortController().signal,
    loadSettings: () => settingsOf(context),
    policy: options.pull,
    checkConfig: options.checkConfig,
    onPull: options.onPull,
    proxy: options.proxy,
    noProxy: options.noProxy,
    credentials: options.credentials,
    maxImageBytes: options.maxImageBytes,
    platform: options.platform,
    stdin: options.stdin,
  });
  return await naming(source, opening, options.file);
}

async function openPacked(context: Context, pack: PackSource, options: ImageOptions): Promise<BootableImage> {
  const { openPackedImage } = await import("../../pack/index.ts");
  const opening = openPackedImage(pack, {
    cacheDir: context.paths.cache,
    loadSettings: () => settingsOf(context),
    platform: options.platform,
    signal: options.signal,
    onPull: options.onPull,
    onUnpack: options.onUnpack,
  });
  return await naming(pack.name, opening);
}

async function settingsOf({ paths, note }: Context): Promise<Settings> {
  const settings = await (await import("../../config/index.ts")).loadSettings(paths);
  for (const text of settings.notes) note(text);
  return settings;
}

/** The machine's changes lie above the very files that they were made to. */
async function resolveBase(
  { paths, note }: Context,
  wanted: string | null,
): Promise<Pick<ResolvedImage, "path" | "baseId">> {
  if (wanted !== null) {
    const path = await assetPathOf("base", wanted, paths.cache);
    if (path !== undefined) return { path, baseId: wanted };
    note(
      "the built-in image that this machine was begun on is gone from the cache; it has that of this smolvm now, under its own changes",
    );
  }
  return { path: await assetPath("base", paths.cache), baseId: assetId("base") };
}

/** Says in an error which image it is about. */
async function naming<T>(source: string, opening: Promise<T>, file = source): Promise<T> {
  try {
    return await opening;
  } catch (error) {
    const where = source === "-" ? "standard input" : source;
    if (!(error instanceof SmolError) || (file === source && error.message.includes(where))) throw error;
    const { code, hint, exitCode } = error;
    const message = error.message.replaceAll(file, where);
    throw new SmolError(code, message.includes(where) ? message : `${where}: ${message}`, {
      cause: error,
      hint,
      exitCode,
    });
  }
}

/** Finds every file that a machine is made of, unpacking at the first use what this program carries. */
export async function resolveFiles(
  engine: EngineName,
  image: ResolvedImage,
  sizes: DiskSizes,
  context: Pick<Context, "paths" | "environment">,
): Promise<MachineFiles> {
  const { cache } = context.paths;
  const isKrun = engine === "krun";
  const [kernel, system, overlayTemplate, storageTemplate, libkrun, launcher, krun, threads, memory] =
    await Promise.all([
      assetPath("kernel", cache),
      assetPath("system", cache),
      assetPath(templateOf("overlay", sizes.overlayGib), cache),
      assetPath(templateOf("storage", sizes.storageGib), cache),
      isKrun ? libkrunSource(context)?.() : undefined,
      hasAsset("launcher") ? assetPath("launcher", cache) : undefined,
      isKrun && hasAsset("krun") ? assetPath("krun", cache) : undefined,
      hasAsset("threads") ? assetPath("threads", cache) : undefined,
      !isKrun && hasAsset("memory") ? assetPath("memory", cache) : undefined,
    ]);
  return {
    kernel,
    system,
    image: { path: image.path, format: image.format },
    overlayTemplate,
    storageTemplate,
    libkrun,
    launcher,
    krun,
    threads,
    memory,
  };
}

/**
 * How `chooseEngine` gets at libkrun: the user's own, or what this build carries, if it does.
 *
 * @throws SmolError `engine.bad_libkrun`
 */
export function libkrunSource({
  paths,
  environment,
}: Pick<Context, "paths" | "environment">): (() => Promise<string>) | undefined {
  const own = findLibkrun(environment);
  if (own !== undefined) return async () => own;
  return hasAsset("libkrun") ? () => assetPath("libkrun", paths.cache) : undefined;
}
