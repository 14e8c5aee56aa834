import { direntsIn } from "../../../ffi/file-layouts.ts";
import { readEntries, seek } from "../../../ffi/files.ts";
import { must } from "../errno.ts";
import type { DirectoryEntry } from "../filesystem.ts";
import type { Handle } from "./handles.ts";

/** One for all: what a request does not take is read again. */
const buffer = Buffer.alloc(16_384);

const SEEK_SET = 0;

/** Entries from an offset on, until `take` has had enough or there are no more. */
export function readDirectory(
  handle: Handle,
  offset: bigint,
  take: (entry: DirectoryEntry) => boolean,
): void {
  // From the start, it is read anew: entries that came meanwhile are among them (POSIX, rewinddir).
  if (offset !== handle.next || offset === 0n) must(seek(handle.fd, BigInt.asIntN(64, offset), SEEK_SET));
  handle.next = offset;
  for (;;) {
    const length = must(readEntries(handle.fd, buffer));
    if (length === 0) return;
    let position = handle.next;
    for (const entry of direntsIn(buffer, length)) {
      if (!take(entry)) {
        must(seek(handle.fd, BigInt.asIntN(64, position), SEEK_SET));
        handle.next = position;
        return;
      }
      position = entry.next;
    }
    handle.next = position;
  }
}
