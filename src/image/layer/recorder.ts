import { SmolError } from "../../errors.ts";
import { BLOCK, type DataPlace, DataWriter, isStorable } from "../erofs/index.ts";
import { limits } from "../limits.ts";
import type { TarEntry, TarHandler } from "../tar/index.ts";
import { type Attributes, printable, requirePath } from "../tree/index.ts";
import { EntriesWriter } from "./frames.ts";
import { whiteoutOf } from "./whiteout.ts";

/** Counts over all layers of one image, held against the limits. */
export interface Totals {
  entries: number;
  bytes: number;
  /** A limit for `bytes` below that of limits.ts. */
  readonly maxBytes?: number | undefined;
}

/** As in an archive; directories of the host may hold sockets too. */
export type RecordedEntry = Omit<TarEntry, "type"> & { readonly type: TarEntry["type"] | "socket" };

export interface RecorderFiles {
  /** Where the data of files goes, and from which byte on: the start of a block. */
  readonly data: number;
  readonly dataStart: number;
  /** Where the entries go; an empty file. */
  readonly entries: number;
}

/** What was recorded; `LayerHeader` without what the recorder does not know. */
export interface Recorded {
  readonly entries: number;
  readonly bytes: number;
  readonly dataBytes: number;
  readonly entriesBytes: number;
  readonly frames: number;
}

/**
 * Takes the members of one layer apart into the data of files and the entries that say what they do to a tree (OCI
 * image specification, layer.md). It knows nothing of other layers: the same layer always gives the same bytes.
 *
 * Refuses what could be in no image; what depends on the layers below is for the merge to find out.
 */
export class LayerRecorder implements TarHandler {
  readonly #data: DataWriter;
  readonly #entries: EntriesWriter;
  readonly #totals: Totals;
  readonly #whiteouts: boolean;
  #isFile = false;
  #finished = false;
  #count = 0;
  #bytes = 0;

  /** @param whiteouts whether names that begin with `.wh.` delete files of lower layers. */
  constructor(files: RecorderFiles, totals: Totals, whiteouts: boolean) {
    const entries = new EntriesWriter(files.entries);
    this.#entries = entries;
    this.#data = new DataWriter(files.data, files.dataStart, (placed) => {
      for (const { ticket, position, bytes } of placed) entries.place(ticket, position, bytes);
      entries.flush();
    });
    this.#totals = totals;
    this.#whiteouts = whiteouts;
  }

  entry(entry: RecordedEntry): void {
    this.#isFile = false;
    this.#add(entry);
    if (this.#entries.isFull) this.#data.flushSmall();
    requirePath(entry.path);
    const whiteout = this.#whiteouts ? whiteoutOf(entry.path) : undefined;
    if (whiteout === undefined) this.#record(entry, {});
    else if (whiteout.kind === "file") this.#entries.add({ kind: "whiteout", path: whiteout.path });
    else if (whiteout.kind === "opaque") this.#entries.add({ kind: "opaque", path: whiteout.path });
    else if (entry.type === "file" || entry.type === "link") this.#record(entry, { hidden: true });
  }

  #record(entry: RecordedEntry, visibility: { readonly hidden?: true }): void {
    const { path, type } = entry;
    const attributes = storable(entry.attributes);
    switch (type) {
      case "file":
        this.#beginFile(entry, attributes, visibility);
        break;
      case "link":
        requirePath(entry.target);
        this.#entries.add({ kind: "link", path, target: entry.target, ...visibility });
        break;
      case "symlink":
        this.#entries.add({
          kind: "symlink",
          path,
          // What an archive says of a link's permissions means nothing: on Linux they are always these (symlink(7)).
          attributes: { ...attributes, permissions: 0o777 },
          target: checkTarget(entry),
        });
        break;
      case "character":
      case "block":
        checkDevice(entry);
        this.#entries.add({ kind: type, path, attributes, major: entry.major, minor: entry.minor });
        break;
      default:
        this.#entries.add({ kind: type, path, attributes });
    }
  }

  data(bytes: Uint8Array): void {
    if (this.#isFile) this.#data.write(bytes);
  }

  end(): void {
    if (!this.#isFile) return;
    this.#isFile = false;
    this.#data.endFile();
  }

  /** Writes what is left. The data file may end before `dataBytes`: there is nothing but zeros. */
  finish(): Recorded {
    const dataBytes = this.#data.finish() * BLOCK;
    const { entriesBytes, frames } = this.#entries.finish();
    this.#finished = true;
    return { entries: this.#count, bytes: this.#bytes, dataBytes, entriesBytes, frames };
  }

  /** What was not finished does not count against the limits any more: the layer may be read again, from elsewhere. */
  close(): void {
    if (this.#finished) return;
    this.#totals.entries -= this.#count;
    this.#totals.bytes -= this.#bytes;
    this.#finished = true;
  }

  #beginFile(entry: RecordedEntry, attributes: Attributes, visibility: { readonly hidden?: true }): void {
    const { path, size, runs } = entry;
    this.#isFile = true;
    const ticket = () => this.#entries.add({ kind: "small", path, position: 0, bytes: 0, ...visibility });
    const place: DataPlace =
      runs === undefined
        ? this.#data.beginFile(attributes, size, ticket)
        : this.#data.beginSparseFile(size, runs);
    const common = { path, attributes, size, ...visibility };
    if (place.kind === "blocks") this.#entries.add({ ...place, ...common, kind: "file" });
    else if (place.kind === "chunks") this.#entries.add({ ...place, ...common, kind: "sparse" });
  }

  #add(entry: RecordedEntry): void {
    const bytes = entry.runs === undefined ? entry.size : 0;
    this.#count++;
    this.#bytes += bytes;
    this.#totals.entries++;
    this.#totals.bytes += bytes;
    checkTotals(this.#totals);
  }
}

/** @throws SmolError `image.limit` */
export function checkTotals({ entries, bytes, maxBytes = limits.totalBytes }: Totals): void {
  if (entries > limits.entries) {
    throw new SmolError("image.limit", `the image has more than ${limits.entries} entries`);
  }
  const most = Math.min(maxBytes, limits.totalBytes);
  if (bytes <= most) return;
  const hint = most < limits.totalBytes ? "--max-image-size sets another limit" : undefined;
  throw new SmolError("image.limit", `the files of the image have more than ${most} bytes`, { hint });
}

/**
 * Attributes without those that must not, or cannot, be in an image: `trusted.overlay.*` and `user.overlay.*` would
 * let a layer fake whiteouts and redirects of the guest's overlayfs; namespaces unknown to EROFS mean nothing to Linux.
 */
export function storable(attributes: Attributes): Attributes {
  if (attributes.xattrs.length === 0) return attributes;
  const xattrs = attributes.xattrs.filter(
    (xattr, index, all) =>
      !/^(trusted|user)\.overlay\./.test(xattr.name) &&
      isStorable(xattr) &&
      xattr.name !== all[index + 1]?.name,
  );
  return { ...attributes, xattrs };
}

function checkTarget(entry: RecordedEntry): string {
  if (entry.target === "" || entry.target.length >= limits.pathBytes) {
    throw new SmolError(
      "image.bad_entry",
      `a symbolic link has no target, or one too long: ${printable(entry.path)}`,
    );
  }
  return entry.target;
}

function checkDevice(entry: RecordedEntry): void {
  const { major, minor } = entry;
  if (major < 0 || major > 0xfff || minor < 0 || minor > 0xfffff) {
    throw new SmolError(
      "image.bad_entry",
      `device number out of range: ${printable(entry.path)} ${major}:${minor}`,
    );
  }
}
