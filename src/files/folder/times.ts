import { Time } from "../../../ffi/files.ts";
import type { Changes } from "../filesystem.ts";

/** What utimensat(2) takes. */
export function timesOf({ accessedAt, modifiedAt }: Changes): BigInt64Array {
  const times = new BigInt64Array(4);
  [accessedAt, modifiedAt].forEach((time, i) => {
    if (typeof time !== "bigint") {
      times[2 * i + 1] = time === "now" ? Time.now : Time.omit;
      return;
    }
    const fraction = ((time % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
    times[2 * i] = (time - fraction) / 1_000_000_000n;
    times[2 * i + 1] = fraction;
  });
  return times;
}
