import type { ImageSummary } from "../../image/index.ts";
import { formatBytes } from "../format/bytes.ts";
import { type Column, formatTable } from "../format/table.ts";
import { oneLine } from "../output.ts";
import { shortId } from "./images.ts";

/** What the images of this host take, and how many layers they have; each is counted once. */
export interface Storage {
  /** The limit of the cache; Infinity when there is none. */
  readonly totalBytes: number;
  /** Everything in the cache, also what belongs to no image (any more). */
  readonly usedBytes: number;
  readonly layers: number;
  readonly images: number;
}

export function storageOf(images: readonly ImageSummary[], usedBytes: number, maxBytes: number): Storage {
  const layers = new Set(images.flatMap((image) => image.layers.map(({ diffId }) => diffId)));
  return { totalBytes: maxBytes, usedBytes, layers: layers.size, images: images.length };
}

/** The keys of upstream's `machine images --json`; `created` is when the image was stored here. */
export function storageJson(storage: Storage, images: readonly ImageSummary[]): Record<string, unknown> {
  return {
    storage: {
      total_bytes: Number.isFinite(storage.totalBytes) ? storage.totalBytes : null,
      used_bytes: storage.usedBytes,
      layer_count: storage.layers,
      image_count: storage.images,
    },
    images: images.flatMap((image) => {
      const names = image.references.length > 0 ? image.references : [null];
      return names.map((reference) => imageJson(image, reference));
    }),
  };
}

function imageJson(image: ImageSummary, reference: string | null): Record<string, unknown> {
  const [os = "", architecture = ""] = image.platform.split("/");
  const { entrypoint, cmd, env, workdir, user } = image.config;
  return {
    reference,
    id: image.id,
    digest: image.digests[0] ?? null,
    size: image.sizeBytes,
    created: new Date(image.createdAt * 1000).toISOString(),
    architecture,
    os,
    layer_count: image.layers.length,
    layers: image.layers.map(({ diffId }) => diffId),
    entrypoint,
    cmd,
    env,
    workdir,
    user,
  };
}

const COLUMNS: readonly Column<{ readonly name: string; readonly image: ImageSummary }>[] = [
  { title: "IMAGE", width: 40, align: "left", text: ({ name }) => oneLine(name) },
  { title: "SIZE", width: 10, align: "right", text: ({ image }) => formatBytes(image.sizeBytes) },
  { title: "LAYERS", width: 8, align: "right", text: ({ image }) => String(image.layers.length) },
];

/** Upstream's text for `machine images`, with its final newline. */
export function formatStorage(storage: Storage, images: readonly ImageSummary[]): string {
  const total = Number.isFinite(storage.totalBytes) ? formatBytes(storage.totalBytes) : "no limit";
  const head = `Storage Usage:
  Total:  ${total}
  Used:   ${formatBytes(storage.usedBytes)}
  Layers: ${storage.layers}
`;
  if (images.length === 0) return `${head}\nNo cached images.\n`;
  const rows = images.flatMap((image) =>
    (image.references.length > 0 ? image.references : [shortId(image.id)]).map((name) => ({ name, image })),
  );
  const count = `Total: ${images.length} image${images.length === 1 ? "" : "s"}\n`;
  return `${head}\n${formatTable(COLUMNS, rows)}\n${count}`;
}
