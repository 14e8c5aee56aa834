import { SmolError } from "../../errors.ts";
import type { Repository } from "../../registry/index.ts";
import { DecoderThreads } from "../blob/index.ts";
import type { Totals } from "../layer/index.ts";
import type { ManifestLayer } from "../oci/index.ts";
import type { ImageStore } from "../store/index.ts";
import type { PullProgress } from "../types.ts";
import { SpaceWatch } from "./space.ts";

export type RemoteLayer = ManifestLayer & { readonly diffId: string };

export interface LayerPull {
  readonly store: ImageStore;
  readonly repository: Repository;
  /** Layers downloaded at the same time. */
  readonly parallel: number;
  readonly totals: Totals;
  readonly signal?: AbortSignal | undefined;
  readonly onPull?: ((event: PullProgress) => void) | undefined;
}

interface RunningPull extends LayerPull {
  readonly threads: DecoderThreads;
  readonly signal: AbortSignal;
  readonly space: SpaceWatch;
}

/** How long another process may have a layer before the user is told that we wait for it. */
const PATIENCE_MS = 300;

/**
 * Downloads layers, each verified and made part of the store while its bytes come in. When one fails, the others are
 * stopped; what is complete stays, for the next attempt.
 *
 * @param layers without duplicates.
 */
export async function pullLayers(layers: readonly RemoteLayer[], pull: LayerPull): Promise<void> {
  const stop = new AbortController();
  const signal = pull.signal === undefined ? stop.signal : AbortSignal.any([pull.signal, stop.signal]);
  const waiting = layers.values();
  const space = new SpaceWatch(pull.store.directory);
  using threads = new DecoderThreads();
  const worker = async () => {
    for (const layer of waiting) {
      if (signal.aborted) return;
      await pullLayer(layer, { ...pull, threads, signal, space });
    }
  };
  let failure: { error: unknown } | undefined;
  const workers = Array.from({ length: Math.min(pull.parallel, layers.length) }, async () => {
    try {
      await worker();
    } catch (error) {
      failure ??= { error };
      stop.abort(error);
    }
  });
  await Promise.all(workers);
  if (failure !== undefined) throw failure.error;
  pull.signal?.throwIfAborted();
}

async function pullLayer(layer: RemoteLayer, pull: RunningPull): Promise<void> {
  const { store, signal, onPull } = pull;
  const patience = setTimeout(() => onPull?.({ kind: "waiting", digest: layer.digest }), PATIENCE_MS);
  const lock = await store.lockLayer(layer.diffId, signal).finally(() => clearTimeout(patience));
  try {
    // Another process may have been faster.
    if (store.findLayer(layer.diffId) === undefined) await fetchLayer(layer, pull);
    onPull?.({ kind: "stored", digest: layer.digest });
  } finally {
    lock.release();
  }
}

/** A mirror's bytes, or those of a resumed download, may be wrong: the origin gets one more chance, from the start. */
async function fetchLayer(layer: RemoteLayer, pull: RunningPull): Promise<void> {
  try {
    await unpack(layer, pull, false);
  } catch (error) {
    const isDamaged =
      error instanceof SmolError &&
      (error.code === "image.digest_mismatch" || error.code === "image.bad_layer");
    if (!isDamaged || pull.signal.aborted) throw error;
    const what = `layer ${layer.digest.slice(0, 19)}`;
    pull.onPull?.({ kind: "retry", what, attempt: 1, delayMs: 0, reason: error.message });
    await unpack(layer, pull, true);
  }
}

async function unpack(
  layer: RemoteLayer,
  { store, repository, threads, totals, signal, space, onPull }: RunningPull,
  origin: boolean,
): Promise<void> {
  const { digest, size } = layer;
  const onProgress = (bytes: number) => {
    space.look(totals.bytes);
    onPull?.({ kind: "layer", digest, bytes, size });
  };
  const options = { threads, totals, signal, onProgress };
  await store.unpackLayer(repository.blob(layer, { signal, origin }), layer, options);
}
