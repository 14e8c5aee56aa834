import {
  detectCompression,
  type LayerExpectations,
  readLayer,
  type Totals,
  wrongSize,
} from "../layer/index.ts";
import type { ImageTarget } from "../make.ts";
import { emptyConfig } from "../oci/index.ts";
import { hostPlatform } from "../platform.ts";
import { type Built, FORMAT_VERSION, type ImageStore, openStore } from "../store/index.ts";
import type { ImageConfig, OpenImageOptions, Platform } from "../types.ts";
import { FileSource } from "./file-source.ts";
import { ArchiveFiles, DirectoryFiles, type ImageFile, type ImageFiles } from "./files.ts";
import { checkRootArchive, readIndex, refuseOthers } from "./recognise.ts";
import { readRootDirectory } from "./root-directory.ts";
import { isSavedImage, readSavedImage } from "./saved.ts";
import type { LocalSource } from "./source.ts";
import { spool } from "./spool.ts";

export interface MadeImage extends Built {
  /** Whether the image was there already. */
  readonly cached: boolean;
}

interface Job {
  readonly store: ImageStore;
  readonly options: OpenImageOptions;
  readonly platform: Platform;
  /** Names the source for other processes, as long as the identity of the image is not known. */
  readonly lockKey: string | undefined;
}

/**
 * Makes the image of a source, or finds that it is in the cache.
 *
 * @param source undefined for standard input.
 * @throws SmolError for everything that is wrong with the source, or with the cache.
 */
export async function makeLocalImage(
  source: LocalSource | undefined,
  options: OpenImageOptions,
): Promise<MadeImage> {
  const store = await openStore(options.cacheDir);
  const job: Job = {
    store,
    options,
    platform: options.platform ?? hostPlatform(),
    lockKey: source?.fingerprint.key,
  };
  if (source === undefined)
    return await fromStream(job, options.stdin ?? Bun.stdin.stream(), "standard input");
  if (source.kind === "layout") return await fromSaved(job, new DirectoryFiles(source.path));
  if (source.kind === "root") return await fromDirectory(job, source.path);
  return await fromFile(job, source.path);
}

async function fromFile(job: Job, path: string): Promise<MadeImage> {
  const file = new FileSource(path);
  try {
    const start = file.readNow(0, Math.min(file.size, 4));
    if (detectCompression(start) !== "none") return await fromStream(job, file.read(0, file.size), path);
    return await fromArchive(job, file);
  } finally {
    file.close();
  }
}

async function fromStream(job: Job, stream: AsyncIterable<Uint8Array>, name: string): Promise<MadeImage> {
  const { store, options } = job;
  const watched = async function* () {
    for await (const chunk of stream) {
      options.signal?.throwIfAborted();
      yield chunk;
    }
  };
  const spooled = await spool(watched(), name, store.directory, (bytes) =>
    options.onProgress?.({ kind: "spool", bytes }),
  );
  try {
    return await fromArchive(job, spooled.source);
  } finally {
    spooled.close();
  }
}

async function fromArchive(job: Job, file: FileSource): Promise<MadeImage> {
  refuseOthers(file);
  const index = await readIndex(file, job.options.signal);
  const files = new ArchiveFiles(file, index);
  if (isSavedImage(files)) return await fromSaved(job, files);
  checkRootArchive(file, index);
  const config = emptyConfig;
  return await buildUnlessThere(job, undefined, async (target) => {
    const open = () => ({ size: file.size, read: () => file.read(0, file.size), close() {} });
    const diffIds = await applyLayers(job, target, [{ open, expected: {} }]);
    return { id: imageId(job.platform, diffIds, ""), config };
  });
}

async function fromSaved(job: Job, files: ImageFiles): Promise<MadeImage> {
  const image = await readSavedImage(files, job.platform);
  const diffIds = image.layers.map((layer) => layer.diffId);
  const id = imageId(job.platform, diffIds, image.configDigest);
  return await buildUnlessThere(job, id, async (target) => {
    const layers = image.layers.map(({ path, ...expected }) => ({ open: () => files.open(path), expected }));
    await applyLayers(job, target, layers);
    return { id, config: image.config };
  });
}

async function fromDirectory(job: Job, path: string): Promise<MadeImage> {
  return await buildUnlessThere(job, undefined, async (target) => {
    const digest = await readRootDirectory(path, target, job.options);
    return { id: imageId(job.platform, [digest], ""), config: emptyConfig };
  });
}

interface Layer {
  open(): ImageFile;
  readonly expected: LayerExpectations;
}

/** Applies layers from the lowest to the highest. @returns the digests of their contents. */
async function applyLayers(job: Job, target: ImageTarget, layers: readonly Layer[]): Promise<string[]> {
  const { signal, onProgress } = job.options;
  const totals: Totals = { entries: 0, bytes: 0 };
  const diffIds: string[] = [];
  for (const [index, { open, expected }] of layers.entries()) {
    const file = open();
    const position = { kind: "layer", layer: index + 1, layers: layers.length, total: file.size } as const;
    const report = onProgress && ((bytes: number) => onProgress({ ...position, bytes }));
    try {
      if (expected.size !== undefined && expected.size !== file.size) throw wrongSize(expected.size);
      const { diffId } = await readLayer(file.read(), expected, {
        ...target,
        totals,
        signal,
        onProgress: report,
      });
      diffIds.push(diffId);
    } finally {
      file.close();
    }
  }
  return diffIds;
}

/** Looks in the cache first, and again after waiting for others who make the same image. */
async function buildUnlessThere(
  job: Job,
  id: string | undefined,
  fill: (target: ImageTarget) => Promise<{ id: string; config: ImageConfig }>,
): Promise<MadeImage> {
  const { store } = job;
  const find = () => {
    const stored = id === undefined ? undefined : store.find(id);
    return stored === undefined ? undefined : { stored, durable: Promise.resolve(), cached: true };
  };
  const found = find();
  if (found !== undefined) return found;
  const key = id ?? job.lockKey;
  const lock = key === undefined ? undefined : await store.lock(key, job.options.signal);
  try {
    return find() ?? { ...(await store.build(fill)), cached: false };
  } finally {
    lock?.release();
  }
}

/** What an image is made from decides what it is: contents, configuration, platform, and the format of the file. */
function imageId(platform: Platform, diffIds: readonly string[], configDigest: string): string {
  const { os, architecture, variant = "" } = platform;
  const identity = JSON.stringify([FORMAT_VERSION, os, architecture, variant, diffIds, configDigest]);
  return `sha256:${new Bun.CryptoHasher("sha256").update(identity).digest("hex")}`;
}
