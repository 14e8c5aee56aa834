import type { ImageSummary } from "../../image/index.ts";
import { formatBytes } from "../format/bytes.ts";
import { type Column, formatTable } from "../format/table.ts";
import { formatAgo } from "../format/time.ts";
import { oneLine } from "../output.ts";

/** One line: an image has as many as it has names, as in docker. */
interface Row {
  readonly name: string;
  readonly image: ImageSummary;
  /** The image's last line. */
  readonly last: boolean;
}

interface TableOptions {
  readonly full: boolean;
  readonly verbose: boolean;
  /** Seconds since 1970. */
  readonly now: number;
}

/** What stands in the table for an image without a name. */
const NAMELESS = "<none>";

/** Titles and widths are part of what scripts rely on. */
const columnsOf = ({ full, now }: TableOptions): Column<Row>[] => [
  { title: "NAME", width: 32, align: "left", text: ({ name }) => oneLine(name) },
  { title: "IMAGE ID", width: 12, align: "left", text: ({ image: { id } }) => (full ? id : shortId(id)) },
  { title: "PLATFORM", width: 14, align: "left", text: ({ image }) => oneLine(image.platform) },
  { title: "SIZE", width: 8, align: "right", text: ({ image }) => formatBytes(image.sizeBytes) },
  { title: "CREATED", width: 14, align: "left", text: ({ image }) => formatAgo(image.createdAt, now) },
  { title: "LAST USED", width: 14, align: "left", text: ({ image }) => formatAgo(image.lastUsedAt, now) },
];

/** The table of `images ls`, with its final newline. */
export function formatImages(images: readonly ImageSummary[], options: TableOptions): string {
  if (images.length === 0) return "No cached images.\n";
  const rows = images.flatMap((image) => {
    const names = image.references.length > 0 ? image.references : [NAMELESS];
    return names.map((name, index) => ({ name, image, last: index === names.length - 1 }));
  });
  const details = ({ image, last }: Row) => (last ? [...detailsOf(image), ""] : []);
  return formatTable(columnsOf(options), rows, {
    full: options.full,
    ...(options.verbose ? { details } : {}),
  });
}

/** What every command takes for this image: its names, or else its id, in full because `machine run` needs it so. */
export function namesOf({ id, references }: ImageSummary): readonly string[] {
  return references.length > 0 ? references.map(oneLine) : [id];
}

/** The first 12 digits of an id: enough to name the image. */
export function shortId(id: string): string {
  return id.slice(id.indexOf(":") + 1).slice(0, 12);
}

function detailsOf(image: ImageSummary): string[] {
  const { config } = image;
  const facts: readonly (readonly [string, string])[] = [
    ["Id", image.id],
    ...image.digests.map((digest) => ["Digest", digest] as const),
    ["Removing frees", formatBytes(image.uniqueBytes)],
    ["Layers", String(image.layers.length)],
    ["In use", image.inUse ? "yes" : "no"],
    ["Entrypoint", JSON.stringify(config.entrypoint)],
    ["Cmd", JSON.stringify(config.cmd)],
    ["Created", new Date(image.createdAt * 1000).toISOString()],
  ];
  return facts.map(([key, text]) => `  ${key}: ${oneLine(text)}`);
}
