import { now } from "../../machine/clock.ts";

/** The spans of one start, in the order in which they end; each begins where the one before it ends. */
export const SPANS = [
  "startup",
  "probe",
  "image",
  "spawn",
  "kernel",
  "agent",
  "first output",
  "run",
  "teardown",
] as const;

export type SpanName = (typeof SPANS)[number];

/** Collects the moments at which spans end. */
export class Timings {
  readonly #start: number;
  readonly #ends = new Map<SpanName, number>();

  /** @param start when the program was started, milliseconds since the epoch */
  constructor(start: number = performance.timeOrigin) {
    this.#start = start;
  }

  /** The span ends now, or at `at`; only the first time counts. */
  end(span: SpanName, at: number = now()): void {
    if (!this.#ends.has(span)) this.#ends.set(span, at);
  }

  /** Whether the span has ended. */
  has(span: SpanName): boolean {
    return this.#ends.has(span);
  }

  /** Milliseconds per span, for those that happened, and `total`. */
  toJSON(): Record<string, number> {
    const result: Record<string, number> = {};
    let previous = this.#start;
    for (const span of SPANS) {
      const end = this.#ends.get(span);
      if (end === undefined) continue;
      // Spans of different processes may overlap by a little: none is negative.
      result[span.replace(" ", "_")] = round(Math.max(0, end - previous));
      previous = Math.max(previous, end);
    }
    result.total = round(previous - this.#start);
    return result;
  }

  /** One line per span, aligned. */
  toString(): string {
    return Object.entries(this.toJSON())
      .map(([span, ms]) => `${span.replace("_", " ").padEnd(13)}${ms.toFixed(1).padStart(9)} ms`)
      .join("\n");
  }
}

const round = (milliseconds: number) => Math.round(milliseconds * 10) / 10;
