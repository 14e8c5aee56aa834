/** Milliseconds that the average is taken over: long enough not to flicker, short enough to follow the network. */
const WINDOW = 6000;
/** Before that much time has passed, nothing sensible can be said. */
const MINIMUM = 800;

/** The moving average of a count that grows. */
export class Rate {
  /** At most one per `spacing`: their number is bounded however often `add` is called. */
  #samples: { readonly time: number; readonly count: number }[] = [];
  readonly #spacing = 100;

  /** @param time milliseconds */
  add(time: number, count: number): void {
    const last = this.#samples.at(-1);
    // A new pull, or a download that began anew.
    if (last !== undefined && count < last.count) this.#samples = [];
    if (last !== undefined && time - last.time < this.#spacing) return;
    this.#samples.push({ time, count });
    while (this.#samples.length > 2 && time - (this.#samples[1]?.time ?? time) >= WINDOW)
      this.#samples.shift();
  }

  /** Counts per second; undefined when that is not known yet. */
  perSecond(time: number, count: number): number | undefined {
    const first = this.#samples[0];
    if (first === undefined || time - first.time < MINIMUM || count < first.count) return undefined;
    return ((count - first.count) / (time - first.time)) * 1000;
  }
}

/** Seconds until everything is there; undefined when nobody can say. */
export function remainingSeconds(
  bytes: number,
  size: number,
  perSecond: number | undefined,
): number | undefined {
  if (perSecond === undefined || perSecond < 1) return undefined;
  const seconds = (size - bytes) / perSecond;
  return seconds < 100 * 3600 ? seconds : undefined;
}
