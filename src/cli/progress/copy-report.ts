import { formatBytes } from "../format/bytes.ts";
import type { ProgressMode } from "../options/pull-options.ts";
import { Output } from "./output.ts";
import { canRedraw } from "./redraw.ts";

export interface CopyReport {
  /** Absent when nothing is to be seen. `done` and `total` are bytes. */
  readonly onCopy?: ((done: number, total: number, what?: string) => void) | undefined;
  /** Takes away what is half drawn: to be awaited before anything else is printed. */
  end(): Promise<void>;
}

interface ReportOptions {
  readonly quiet: boolean;
  readonly progress: ProgressMode;
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly output?: Output | undefined;
  /** Milliseconds; default: performance.now. */
  readonly now?: (() => number) | undefined;
}

/** Without a terminal, no line sooner after another one; in milliseconds. */
const QUIET_MS = 5000;

/** What is copied when nobody says it. */
const IMAGE = "the image into the machine";

/** Shows on stderr how far a copy is: of an image into a machine, or of a machine's disk. */
export function reportCopy(options: ReportOptions): CopyReport {
  const {
    quiet,
    progress,
    env = process.env,
    output = new Output(),
    now = () => performance.now(),
  } = options;
  if (quiet || progress === "none") return { end: async () => {} };
  const end = () => output.flush();
  if (progress === "json") {
    const onCopy = (done: number, total: number) =>
      output.write(`${JSON.stringify({ event: "copying", bytes: done, size: total })}\n`);
    return { onCopy, end };
  }
  if (progress === "plain" || (progress === "auto" && !canRedraw(env))) return plain(output, now);
  let isDrawn = false;
  return {
    onCopy: (done, total, what) => {
      // A picture that is drawn while another one is on its way would be old when it arrives.
      if (output.busy) return;
      output.write(`\r${lineOf(done, total, what)}\x1b[K`);
      isDrawn = true;
    },
    end: async () => {
      if (isDrawn) output.write("\r\x1b[K");
      await end();
    },
  };
}

function plain(output: Output, now: () => number): CopyReport {
  let last = Number.NEGATIVE_INFINITY;
  return {
    onCopy: (done, total, what) => {
      if (now() - last < QUIET_MS) return;
      last = now();
      output.write(`${lineOf(done, total, what)}\n`);
    },
    end: () => output.flush(),
  };
}

function lineOf(done: number, total: number, what = IMAGE): string {
  if (done === 0 || total === 0) return `Copying ${what}: ${formatBytes(total)}`;
  return `Copying ${what}: ${Math.floor((done / total) * 100)}% of ${formatBytes(total)}`;
}
