import { ftruncateSync, mkdirSync } from "node:fs";
import { bootId } from "../../host/index.ts";
import type { BlobExpectations, DecodeOptions } from "../blob/index.ts";
import { encodeHeader, LayerRecorder, type Recorded, readLayer, type Totals } from "../layer/index.ts";
import { attempt } from "../make.ts";
import { NewFile } from "../newfile.ts";
import { findLayer, layerPaths, type StoredLayer } from "./layer-files.ts";

export interface UnpackOptions extends DecodeOptions {
  /** Counts over all layers of the image; default: this layer alone. */
  readonly totals?: Totals | undefined;
}

/**
 * Takes a layer apart while its bytes come in, and keeps it. It is there in full or not at all; when anything is not
 * as expected, nothing is left.
 *
 * @throws SmolError, or the reason of the signal.
 */
export async function unpackLayer(
  directory: string,
  source: AsyncIterable<Uint8Array>,
  expected: BlobExpectations,
  options: UnpackOptions,
): Promise<StoredLayer> {
  return await recordLayer(directory, true, options.totals, async (recorder) => {
    return await readLayer(source, expected, recorder, options);
  });
}

/**
 * As `unpackLayer`, for files that come from elsewhere.
 *
 * @param whiteouts whether names that begin with `.wh.` delete.
 * @param fill records the files, and says what identifies them.
 */
export async function recordLayer(
  directory: string,
  whiteouts: boolean,
  totals: Totals | undefined,
  fill: (recorder: LayerRecorder) => Promise<string>,
): Promise<StoredLayer> {
  const place = `${directory}/layers`;
  attempt(() => mkdirSync(place, { recursive: true, mode: 0o700 }));
  const data = attempt(() => new NewFile(place));
  try {
    const entries = attempt(() => new NewFile(place));
    const files = { data: data.fd, dataStart: 0, entries: entries.fd };
    const recorder = new LayerRecorder(files, totals ?? { entries: 0, bytes: 0 }, whiteouts);
    try {
      const diffId = await fill(recorder);
      const recorded = recorder.finish();
      return attempt(() => keep(directory, diffId, data, entries, recorded));
    } finally {
      recorder.close();
      entries.discard();
    }
  } finally {
    data.discard();
  }
}

function keep(
  directory: string,
  diffId: string,
  data: NewFile,
  entries: NewFile,
  recorded: Recorded,
): StoredLayer {
  // Another process was faster, or the identity was not known before: what is there may be in use already.
  const there = findLayer(directory, diffId);
  if (there !== undefined) return there;
  // The end may be a hole.
  ftruncateSync(data.fd, recorded.dataBytes);
  entries.writeAt(encodeHeader({ ...recorded, diffId, writtenInBoot: bootId() }), 0);
  const paths = layerPaths(directory, diffId);
  // In this order: data without entries is not looked at.
  data.commit(paths.data);
  entries.commit(paths.entries);
  const { entries: count, bytes: fileBytes, dataBytes: bytes } = recorded;
  return { diffId, bytes, entries: count, fileBytes, durable: bootId() === "" };
}
