import type { PullProgress } from "../../image/index.ts";

/** Shows a pull. */
export interface Display {
  show(event: PullProgress): void;
  /** Leaves nothing half drawn and no timer behind until the next event; resolves when everything is written. */
  settle(): Promise<void>;
}

export interface DisplayOptions {
  /** Say so when there was nothing to do, which `machine run` does not. */
  readonly upToDate: boolean;
  /** Milliseconds; default: performance.now. */
  readonly now?: (() => number) | undefined;
}
