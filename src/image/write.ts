import { ftruncateSync, readSync } from "node:fs";
import { dirname } from "node:path";
import { BLOCK } from "./erofs/index.ts";
import {
  DamagedEntries,
  encodeHeader,
  LayerRecorder,
  readEntries,
  readLayer,
  type Totals,
} from "./layer/index.ts";
import { attempt } from "./make.ts";
import { type MergeLayer, mergeLayers } from "./merge/index.ts";
import { NewFile } from "./newfile.ts";

export interface WriteErofsOptions {
  /** Whether names that begin with `.wh.` delete files of the archives before (default: yes, as in OCI layers). */
  readonly whiteouts?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface WrittenErofs {
  readonly sizeBytes: number;
  /** Digests of the archives, uncompressed: the image depends on nothing else. */
  readonly diffIds: readonly string[];
}

/**
 * Turns archives (plain, gzip or zstd), applied one over the other, into an EROFS image at `path`, which appears in
 * full or not at all, and replaces a file that is there. The same archives give the same bytes.
 *
 * @throws SmolError when an archive is damaged or beyond the limits, or the image cannot be written.
 */
export async function writeErofsFromTar(
  layers: readonly AsyncIterable<Uint8Array>[],
  path: string,
  options: WriteErofsOptions = {},
): Promise<WrittenErofs> {
  const { whiteouts = true, signal } = options;
  const diffIds: string[] = [];
  const fillers = layers.map((layer) => async (recorder: LayerRecorder) => {
    diffIds.push(await readLayer(layer, {}, recorder, { signal }));
  });
  const sizeBytes = await writeDisk(path, fillers, whiteouts, () => diffIds.join(), signal);
  return { sizeBytes, diffIds };
}

/**
 * Writes a whole disk into one file: block 0, the data of each layer, the rest.
 *
 * @param fillers record one layer each, from the lowest to the highest.
 * @param identify says, after that, what identifies the contents.
 */
export async function writeDisk(
  path: string,
  fillers: readonly ((recorder: LayerRecorder) => Promise<void>)[],
  whiteouts: boolean,
  identify: () => string,
  signal?: AbortSignal,
): Promise<number> {
  const file = attempt(() => new NewFile(dirname(path)));
  const totals: Totals = { entries: 0, bytes: 0 };
  const layers: LayerInFile[] = [];
  let start = BLOCK;
  try {
    for (const fill of fillers) {
      const layer = new LayerInFile(`${layers.length}`, file.fd, start, dirname(path));
      layers.push(layer);
      await layer.record(fill, totals, whiteouts);
      start += layer.dataBytes;
    }
    const merged = mergeLayers(layers, {
      fd: file.fd,
      holdsData: true,
      identity: identify(),
      signal,
    });
    attempt(() => {
      ftruncateSync(file.fd, merged.diskBytes);
      file.commit(path);
    });
    return merged.diskBytes;
  } finally {
    for (const layer of layers) layer.close();
    file.discard();
  }
}

/** A layer whose data is a part of the disk; its entries are in a file without a name, as long as they are needed. */
class LayerInFile implements MergeLayer {
  readonly name: string;
  dataBytes = 0;
  readonly #fd: number;
  readonly #start: number;
  readonly #entries: NewFile;

  constructor(name: string, fd: number, start: number, directory: string) {
    this.name = name;
    this.#fd = fd;
    this.#start = start;
    this.#entries = attempt(() => new NewFile(directory));
  }

  async record(
    fill: (recorder: LayerRecorder) => Promise<void>,
    totals: Totals,
    whiteouts: boolean,
  ): Promise<void> {
    const files = { data: this.#fd, dataStart: this.#start, entries: this.#entries.fd };
    const recorder = new LayerRecorder(files, totals, whiteouts);
    try {
      await fill(recorder);
      const recorded = recorder.finish();
      this.dataBytes = recorded.dataBytes;
      const diffId = `sha256:${"0".repeat(64)}`;
      attempt(() => this.#entries.writeAt(encodeHeader({ ...recorded, diffId, writtenInBoot: "" }), 0));
    } finally {
      recorder.close();
    }
  }

  entries() {
    return readEntries(this.#entries.fd);
  }

  read(position: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    if (readSync(this.#fd, bytes, 0, length, this.#start + position) === length) return bytes;
    throw new DamagedEntries("the data is too short");
  }

  close(): void {
    this.#entries.discard();
  }
}
