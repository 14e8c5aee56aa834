import type { PullProgress } from "../../image/index.ts";
import type { ProgressMode } from "../options/pull-options.ts";
import type { Display } from "./index.ts";

export interface PullReport {
  /** Absent when nothing is to be seen. */
  readonly onPull?: ((event: PullProgress) => void) | undefined;
  /** Takes away what is half drawn: to be awaited before anything else is printed. */
  settle(): Promise<void>;
  /** The same for good: later events are not shown. */
  end(): Promise<void>;
}

interface ReportOptions {
  readonly quiet: boolean;
  readonly progress: ProgressMode;
  /** Say so when there was nothing to do. */
  readonly upToDate: boolean;
}

/** Shows a pull on stderr. What it takes is loaded with the first event: an image that is in the cache has none. */
export function reportPull({ quiet, progress, upToDate }: ReportOptions): PullReport {
  if (quiet || progress === "none") return { settle: async () => {}, end: async () => {} };
  const early: PullProgress[] = [];
  let display: Display | undefined;
  let opening: Promise<void> | undefined;
  let ended = false;
  const open = async () => {
    const { openDisplay } = await import("./index.ts");
    display = openDisplay(progress, { upToDate });
    for (const event of early.splice(0)) display.show(event);
  };
  const settle = async () => {
    await opening;
    await display?.settle();
  };
  return {
    onPull: (event) => {
      // A pull that was given up may still have something to say.
      if (ended) return;
      if (display !== undefined) {
        display.show(event);
        return;
      }
      early.push(event);
      opening ??= open();
    },
    settle,
    end: async () => {
      ended = true;
      await settle();
    },
  };
}
