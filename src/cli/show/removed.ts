import type { RemovedImages } from "../../image/index.ts";
import { formatBytes } from "../format/bytes.ts";
import { oneLine } from "../output.ts";

/** Layers of an image that is being added look as if they belonged to none. */
const KEPT = "Layers stay while something is downloaded: prune again later.";

/** What was removed, in docker's words, one line each; empty when nothing was. */
export function formatRemoved({ images, untagged, layers, freedBytes, kept }: RemovedImages): string {
  const lines = [
    ...untagged.map((name) => `Untagged: ${name}`),
    ...images.flatMap(({ id, references }) => [
      ...references.map((name) => `Untagged: ${name}`),
      `Deleted: ${id}`,
    ]),
    ...(images.length > 0 || layers > 0 || freedBytes > 0 ? [`Freed ${formatBytes(freedBytes)}`] : []),
    ...(kept ? [KEPT] : []),
  ];
  return textOf(lines);
}

interface PruneOptions {
  readonly all: boolean;
  readonly dryRun: boolean;
}

/** What `prune` did, or would do. */
export function formatPruned(removed: RemovedImages, { all, dryRun }: PruneOptions): string {
  const { images, layers, freedBytes, inUse } = removed;
  const used = textOf(inUse.map((id) => `Kept, because it is in use: ${id}`));
  if (images.length === 0 && layers === 0 && freedBytes === 0) {
    const nothing = all ? "No unused images to remove." : "No unreferenced layers to remove.";
    return used + textOf([removed.kept ? KEPT : nothing]);
  }
  if (!dryRun) return used + formatRemoved(removed);
  const would = images.map(({ id, references }) => `Would delete: ${[id, ...references].join(" ")}`);
  const free = `Would free ${formatBytes(freedBytes)}`;
  return used + textOf([...would, free, ...(removed.kept ? [KEPT] : [])]);
}

function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${oneLine(line)}\n`).join("");
}
