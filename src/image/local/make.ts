import { SmolError } from "../../errors.ts";
import {
  type BlobExpectations,
  DecoderThreads,
  detectCompression,
  MAGIC_BYTES,
  wrongSize,
} from "../blob/index.ts";
import type { Totals } from "../layer/index.ts";
import { emptyConfig } from "../oci/index.ts";
import { hostPlatform } from "../platform.ts";
import {
  type HeldLock,
  type ImageStore,
  imageId,
  leaseImage,
  openStore,
  type StoredImage,
} from "../store/index.ts";
import type { ImageConfig, OpenImageOptions, Platform } from "../types.ts";
import { FileSource } from "./file-source.ts";
import { ArchiveFiles, DirectoryFiles, type ImageFile, type ImageFiles } from "./files.ts";
import { checkRootArchive, readIndex, refuseOthers } from "./recognise.ts";
import { readRootDirectory } from "./root-directory.ts";
import { isSavedImage, readSavedImage } from "./saved/index.ts";
import { hasNoImages, type LocalSource } from "./source.ts";
import { spool } from "./spool.ts";

export interface MadeImage {
  readonly stored: StoredImage;
  /** Settles when the image is safe from a power cut; never rejects. */
  readonly durable: Promise<void>;
  /** Whether the image was there already. */
  readonly cached: boolean;
  /** Holds the image; undefined when somebody removed it already. */
  readonly lease: HeldLock | undefined;
}

interface Job {
  readonly store: ImageStore;
  readonly options: OpenImageOptions;
  readonly platform: Platform;
  /** Names the source for other processes, as long as the identity of the image is not known. */
  readonly lockKey: string | undefined;
  /** Which one of several images in the source. */
  readonly name: string | undefined;
  /** Layers that were unpacked here: they go again when no image comes of it. */
  readonly fresh: string[];
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
    name: source?.name,
    fresh: [],
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
    const start = file.readNow(0, Math.min(file.size, MAGIC_BYTES));
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
  if (job.name !== undefined) throw hasNoImages(file.path);
  return await makeUnlessThere(job, undefined, async (totals) => {
    const open = () => ({ size: file.size, read: () => file.read(0, file.size), close() {} });
    const diffIds = await unpackLayers(job, totals, [{ open, expected: {} }]);
    return { id: imageId(job.platform, diffIds, ""), config: emptyConfig, diffIds };
  });
}

async function fromSaved(job: Job, files: ImageFiles): Promise<MadeImage> {
  const image = await readSavedImage(files, job);
  const diffIds = image.layers.map((layer) => layer.diffId);
  const id = imageId(job.platform, diffIds, image.configDigest);
  return await makeUnlessThere(job, id, async (totals) => {
    const layers = image.layers.map(({ path, ...expected }) => ({ open: () => files.open(path), expected }));
    await unpackLayers(job, totals, layers);
    return { id, config: image.config, diffIds };
  });
}

async function fromDirectory(job: Job, path: string): Promise<MadeImage> {
  return await makeUnlessThere(job, undefined, async (totals) => {
    // Files of a directory are files, whatever their names.
    const { diffId } = await job.store.recordLayer(false, totals, (recorder) =>
      readRootDirectory(path, recorder, job.options),
    );
    job.fresh.push(diffId);
    return { id: imageId(job.platform, [diffId], ""), config: emptyConfig, diffIds: [diffId] };
  });
}

/** Which layer it is, from 1, and of how many. */
interface Position {
  readonly layer: number;
  readonly layers: number;
}

interface Layer {
  open(): ImageFile;
  readonly expected: BlobExpectations;
}

/** Unpacks the layers that are not in the cache yet. @returns the digests of their contents. */
async function unpackLayers(job: Job, totals: Totals, layers: readonly Layer[]): Promise<string[]> {
  const { store, options } = job;
  using threads = new DecoderThreads();
  const unpack = (layer: Layer, position: Position) =>
    unpackOne({ ...job, threads }, totals, layer, position);
  const diffIds: string[] = [];
  for (const [index, layer] of layers.entries()) {
    const { diffId } = layer.expected;
    const position = { layer: index + 1, layers: layers.length };
    if (diffId === undefined) {
      diffIds.push(await unpack(layer, position));
      continue;
    }
    const lock = await store.lockLayer(diffId, options.signal);
    try {
      if (store.findLayer(diffId) === undefined) await unpack(layer, position);
      diffIds.push(diffId);
    } finally {
      lock.release();
    }
  }
  return diffIds;
}

async function unpackOne(
  { store, fresh, threads, options: { signal, onProgress } }: Job & { readonly threads: DecoderThreads },
  totals: Totals,
  { open, expected }: Layer,
  position: Position,
): Promise<string> {
  const file = open();
  try {
    if (expected.size !== undefined && expected.size !== file.size) throw wrongSize(expected.size);
    const event = { kind: "layer", ...position, total: file.size } as const;
    const report = onProgress && ((bytes: number) => onProgress({ ...event, bytes }));
    const options = { threads, totals, signal, onProgress: report };
    const { diffId } = await store.unpackLayer(file.read(), { ...expected, size: file.size }, options);
    fresh.push(diffId);
    return diffId;
  } finally {
    file.close();
  }
}

interface Contents {
  readonly id: string;
  readonly config: ImageConfig;
  readonly diffIds: readonly string[];
}

/**
 * Looks in the cache first, and again after waiting for others who make the same image.
 *
 * @param unpack makes sure that all layers are in the cache, and says what the image is.
 */
async function makeUnlessThere(
  job: Job,
  id: string | undefined,
  unpack: (totals: Totals) => Promise<Contents>,
): Promise<MadeImage> {
  const { store, options } = job;
  const find = (): MadeImage | undefined => {
    const stored = id === undefined ? undefined : store.find(id);
    if (stored === undefined) return undefined;
    return {
      stored,
      durable: Promise.resolve(),
      cached: true,
      lease: leaseImage(store.directory, stored.id),
    };
  };
  const found = find();
  if (found !== undefined) return found;
  const key = id?.slice("sha256:".length) ?? job.lockKey;
  const lock = key === undefined ? undefined : await store.lock(`local-${key}`, options.signal);
  try {
    return find() ?? (await make(job, unpack));
  } finally {
    lock?.release();
  }
}

async function make(job: Job, unpack: (totals: Totals) => Promise<Contents>): Promise<MadeImage> {
  const adding = await job.store.adding(job.options.signal);
  let made: MadeImage | undefined;
  try {
    made = await assemble(job, unpack);
    return made;
  } finally {
    adding.release();
    if (made === undefined) job.store.dropUnused(job.fresh);
  }
}

async function assemble(job: Job, unpack: (totals: Totals) => Promise<Contents>): Promise<MadeImage> {
  const { store, platform, options } = job;
  for (let attempt = 1; ; attempt++) {
    const contents = await unpack({ entries: 0, bytes: 0, maxBytes: options.maxImageBytes });
    try {
      const built = await store.assemble({ ...contents, platform, origin: "local", signal: options.signal });
      return { ...built, cached: false, lease: leaseImage(store.directory, contents.id) };
    } catch (error) {
      // A layer of the cache turned out to be damaged: it is unpacked anew.
      if (!(error instanceof SmolError) || error.code !== "image.layer_damaged" || attempt > 1) throw error;
    }
  }
}
