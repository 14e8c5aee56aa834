import type { ImageSummary, RemovedImages } from "../../image/index.ts";

/** The keys of `images ls --json`, a promise to scripts. Times are seconds since 1970. */
export function summaryJson(image: ImageSummary): Record<string, unknown> {
  return {
    id: image.id,
    references: image.references,
    digests: image.digests,
    platform: image.platform,
    created_at: image.createdAt,
    last_used_at: image.lastUsedAt,
    size_bytes: image.sizeBytes,
    unique_bytes: image.uniqueBytes,
    layer_count: image.layers.length,
    in_use: image.inUse,
    machines: image.machines,
  };
}

/** The keys of `images inspect`: those of `images ls --json`, and what is too long for a list. */
export function detailedJson(image: ImageSummary): Record<string, unknown> {
  const { config } = image;
  return {
    ...summaryJson(image),
    layers: image.layers.map(({ diffId, bytes }) => ({ diff_id: diffId, size_bytes: bytes })),
    config: {
      entrypoint: config.entrypoint,
      cmd: config.cmd,
      env: config.env,
      workdir: config.workdir,
      user: config.user,
      labels: config.labels,
      volumes: config.volumes,
      stop_signal: config.stopSignal ?? null,
    },
  };
}

/** The keys of `images rm --json` and of both `prune --json`. */
export function removedJson(removed: RemovedImages, dryRun: boolean): Record<string, unknown> {
  return {
    dry_run: dryRun,
    images: removed.images.map(({ id, references }) => ({ id, references })),
    untagged: removed.untagged,
    layer_count: removed.layers,
    freed_bytes: removed.freedBytes,
    in_use: removed.inUse,
    machines: removed.machines,
    kept: removed.kept,
  };
}
