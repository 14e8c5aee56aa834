import { limits } from "../limits.ts";
import { DamagedEntries } from "./decode.ts";
import type { LayerEntry } from "./entry.ts";
import { readEntries } from "./frames.ts";
import type { LayerHeader } from "./header.ts";
import { storable } from "./recorder.ts";

/**
 * Reads all entries of a layer that this program may not have written, and refuses what the recorder would not write,
 * beyond what `readEntries` refuses: after this, the layer is as good as one that was recorded here. (Inodes of small
 * files are in the data. They are copied to the guest's kernel and mean nothing to the host.)
 *
 * @param fd the `.entries` file, with its head
 * @throws DamagedEntries
 */
export function checkLayer(fd: number, header: Pick<LayerHeader, "entries" | "bytes" | "dataBytes">): void {
  let entries = 0;
  let bytes = 0;
  for (const entry of readEntries(fd)) {
    entries++;
    if (entry.kind === "file") bytes += entry.size;
    checkEntry(entry);
  }
  const { entries: mostEntries, bytes: mostBytes, dataBytes } = header;
  // The recorder counts a few entries that it does not write, and small files' bytes, which are not known here.
  if (entries > mostEntries || bytes > mostBytes || mostBytes > dataBytes) {
    throw new DamagedEntries("the counts of the head are too small");
  }
}

function checkEntry(entry: LayerEntry): void {
  if (entry.kind === "symlink") {
    const isLink = entry.target !== "" && entry.target.length < limits.pathBytes;
    if (!isLink || entry.attributes.permissions !== 0o777) throw new DamagedEntries("a symbolic link");
  }
  if (!("attributes" in entry)) return;
  const { attributes } = entry;
  if (storable(attributes).xattrs.length !== attributes.xattrs.length) {
    throw new DamagedEntries("an extended attribute");
  }
}
