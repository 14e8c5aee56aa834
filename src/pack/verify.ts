import { damaged } from "./failure.ts";
import type { Pack } from "./read.ts";

/**
 * Reads everything that is in a pack, and compares it with its digests.
 *
 * @throws SmolError `pack.damaged`, `pack.limit`, `pack.unreadable`
 */
export async function verifyPack(pack: Pack): Promise<void> {
  for (const blob of await pack.blobs()) {
    for (const chunk of blob.chunks) await pack.chunk(chunk);
  }
  for (const section of pack.sections) {
    // Every byte of these is a chunk's.
    if (section.kind === "chunks") {
      if (!/^0+$/.test(section.digest)) throw damaged("the section table");
      continue;
    }
    for await (const _ of pack.stored(section));
  }
}
