import { formatBytes } from "../format/bytes.ts";
import { oneLine } from "../output.ts";
import { Output } from "./output.ts";
import { canRedraw } from "./redraw.ts";

/** How far a copy is; the copy changes it as it goes. */
export interface TransferProgress {
  files: number;
  bytes: number;
  /** Of all, where it is known. */
  total?: number | undefined;
}

export interface TransferReport {
  readonly progress: TransferProgress;
  /** Takes away what is half drawn: to be awaited before anything else is printed. Nothing more is drawn then. */
  clear(): Promise<void>;
  /** Says what was done, if it was. */
  end(done: boolean): Promise<void>;
}

interface ReportOptions {
  readonly quiet: boolean;
  /** While it is done, and when it is. */
  readonly words: readonly [doing: string, done: string];
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly output?: Output | undefined;
  /** Milliseconds; default: performance.now. */
  readonly now?: (() => number) | undefined;
}

/** Between two pictures on a terminal, and between two lines elsewhere; in milliseconds. */
const REDRAW_MS = 250;
const LINE_MS = 5000;

/** Shows on stderr how far a copy of files is, and in one line at its end what it was. */
export function reportTransfer(
  { first, second }: { readonly first: string; readonly second: string },
  options: ReportOptions,
): TransferReport {
  const { quiet, words, env = process.env, output = new Output(), now = () => performance.now() } = options;
  const progress: TransferProgress = { files: 0, bytes: 0 };
  if (quiet) return { progress, clear: async () => {}, end: async () => {} };
  const what = `${oneLine(first)} -> ${oneLine(second)}`;
  const start = now();
  const redraws = canRedraw(env);
  let isDrawn = false;
  const timer = setInterval(
    () => {
      if (progress.bytes === 0 && progress.files === 0) return;
      const line = `${words[0]} ${what}: ${amount(progress, now() - start)}`;
      // A picture that is drawn while another one is on its way would be old when it arrives.
      if (redraws && output.busy) return;
      output.write(redraws ? `\r${line}\x1b[K` : `${line}\n`);
      isDrawn = redraws;
    },
    redraws ? REDRAW_MS : LINE_MS,
  );
  // It holds up no end.
  timer.unref();
  const clear = async () => {
    clearInterval(timer);
    if (isDrawn) output.write("\r\x1b[K");
    isDrawn = false;
    await output.flush();
  };
  return {
    progress,
    clear,
    end: async (done) => {
      await clear();
      if (done) output.write(`${words[1]} ${what}: ${summary(progress, now() - start)}\n`);
      await output.flush();
    },
  };
}

/** `1.0 MiB / 4.0 MiB (25%, 40 MiB/s)`; without a total `120 files, 1.0 MiB (40 MiB/s)`. */
function amount({ files, bytes, total }: TransferProgress, ms: number): string {
  const rate = `${formatBytes(perSecond(bytes, ms))}/s`;
  if (total === undefined || total === 0) return `${count(files)}, ${formatBytes(bytes)} (${rate})`;
  const percent = Math.min(100, (bytes / total) * 100).toFixed(1);
  return `${formatBytes(bytes)} / ${formatBytes(total)} (${percent}%, ${rate})`;
}

function summary({ files, bytes, total }: TransferProgress, ms: number): string {
  const what = total === undefined ? `${count(files)}, ${formatBytes(bytes)}` : formatBytes(bytes);
  return `${what} in ${(ms / 1000).toFixed(1)} s (${formatBytes(perSecond(bytes, ms))}/s)`;
}

const perSecond = (bytes: number, ms: number): number => (ms > 0 ? (bytes / ms) * 1000 : 0);

const count = (files: number): string => `${files} ${files === 1 ? "file" : "files"}`;
