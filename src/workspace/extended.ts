import { getAttribute, listAttributes } from "../../ffi/files.ts";

/** XATTR_LIST_MAX and XATTR_SIZE_MAX of Linux. */
export const MAX_EXTENDED = 65536;

/** Names of ours on files that a volume serves: who owns them in the guest. */
const OURS = "user.smolvm.";

/** Extended attributes of a user's; those of the system (labels, capabilities, ACLs) are not the guest's. */
export function extendedOf(fd: number): { name: string; value: Uint8Array }[] {
  const room = new Uint8Array(MAX_EXTENDED);
  const length = listAttributes(fd, room);
  if (length <= 0) return [];
  const names = Buffer.from(room.subarray(0, length)).toString("latin1").split("\0");
  return names
    .filter((name) => name.startsWith("user.") && !name.startsWith(OURS))
    .flatMap((name) => {
      const size = getAttribute(fd, name, room);
      return size < 0 ? [] : [{ name, value: room.slice(0, size) }];
    });
}
