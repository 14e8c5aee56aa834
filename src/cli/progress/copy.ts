import { formatBytes } from "../format/bytes.ts";
import { canRedraw } from "./redraw.ts";

interface CopyProgress {
  readonly disk: string;
  readonly bytes: number;
  readonly total: number;
}

/** Milliseconds between two looks of the user at it. */
const EVERY_MS = 100;

/** Shows on stderr how far the copy of a machine's disks is: one line that is drawn again, on a terminal only. */
export function copyProgress(quiet: boolean): { show(progress: CopyProgress): void; end(): void } {
  if (quiet || !canRedraw(process.env)) return { show: () => {}, end: () => {} };
  let drawnAt = Number.NEGATIVE_INFINITY;
  let drawn = false;
  return {
    show({ disk, bytes, total }) {
      const now = performance.now();
      if (now - drawnAt < EVERY_MS) return;
      drawnAt = now;
      drawn = true;
      const percent = total === 0 ? 100 : Math.floor((bytes / total) * 100);
      process.stderr.write(
        `\r\u001b[KCopying ${disk}: ${formatBytes(bytes)} of ${formatBytes(total)} (${percent}%)`,
      );
    },
    end() {
      if (drawn) process.stderr.write("\r\u001b[K");
      drawn = false;
    },
  };
}
