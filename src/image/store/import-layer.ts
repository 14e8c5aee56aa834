import { ftruncateSync, mkdirSync } from "node:fs";
import { linkDescriptor } from "../../../ffi/libc.ts";
import { errnoOf } from "../../errors.ts";
import { bootId } from "../../host/index.ts";
import { checkLayer } from "../layer/check.ts";
import { encodeHeader, type LayerHeader } from "../layer/header.ts";
import { attempt } from "../make.ts";
import { NewFile } from "../newfile.ts";
import { removeIfThere } from "./drop.ts";
import { layerPaths, type StoredLayer } from "./layer-files.ts";

/** What the head of a layer's entries says, but for the boot. */
export type LayerFacts = Omit<LayerHeader, "writtenInBoot">;

/**
 * Keeps a layer whose two files come from elsewhere as the store has them, perhaps from somebody hostile. It is there
 * in full or not at all. The caller holds the layer's lock.
 *
 * @param fillEntries writes the entries to a descriptor, from HEADER_BYTES on
 * @param fillData writes the data from byte 0 on; what it leaves out is zeros. Or an open file of the same filesystem
 *   that holds the data already: the two share it.
 * @throws DamagedEntries when the layer is none that this program would write; SmolError; what the writers throw
 */
export async function importLayer(
  directory: string,
  facts: LayerFacts,
  fillEntries: (fd: number) => Promise<void>,
  fillData: ((fd: number) => Promise<void>) | { readonly fd: number },
): Promise<StoredLayer> {
  const place = `${directory}/layers`;
  attempt(() => mkdirSync(place, { recursive: true, mode: 0o700 }));
  const entries = attempt(() => new NewFile(place));
  try {
    await fillEntries(entries.fd);
    attempt(() => entries.writeAt(encodeHeader({ ...facts, writtenInBoot: bootId() }), 0));
    checkLayer(entries.fd, facts);
    const paths = layerPaths(directory, facts.diffId);
    if (typeof fillData === "function") await writeData(place, paths.data, facts.dataBytes, fillData);
    else attempt(() => shareData(fillData.fd, paths.data));
    // In this order: data without entries is not looked at.
    attempt(() => entries.commit(paths.entries));
    const { diffId, dataBytes, entries: count, bytes } = facts;
    return { diffId, bytes: dataBytes, entries: count, fileBytes: bytes, durable: bootId() === "" };
  } finally {
    entries.discard();
  }
}

async function writeData(
  place: string,
  path: string,
  bytes: number,
  fill: (fd: number) => Promise<void>,
): Promise<void> {
  const data = attempt(() => new NewFile(place));
  try {
    await fill(data.fd);
    attempt(() => {
      ftruncateSync(data.fd, bytes);
      data.commit(path);
    });
  } finally {
    data.discard();
  }
}

function shareData(fd: number, path: string): void {
  try {
    linkDescriptor(fd, path);
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
    // Data without entries: an import was killed between the two.
    removeIfThere(path);
    linkDescriptor(fd, path);
  }
}
