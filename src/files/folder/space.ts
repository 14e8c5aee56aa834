import { statFilesystem } from "../../../ffi/files.ts";
import { must } from "../errno.ts";
import type { Space } from "../filesystem.ts";

/** How much room there is where a file lies. `struct statfs` of 64-bit Linux has words of 8 bytes. */
export function spaceOf(fd: number): Space {
  const bytes = new Uint8Array(120);
  must(statFilesystem(fd, bytes));
  const view = new DataView(bytes.buffer);
  const word = (index: number): bigint => view.getBigUint64(8 * index, true);
  return {
    blockSize: Number(word(1)),
    blocks: word(2),
    freeBlocks: word(3),
    availableBlocks: word(4),
    files: word(5),
    freeFiles: word(6),
    nameLength: Number(word(8)),
  };
}
