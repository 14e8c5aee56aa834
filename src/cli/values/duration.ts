import { parseSpan, quote } from "../../values/index.ts";
import { badValue } from "../usage.ts";

const DAY_MS = 86_400_000;

/** Timers hold 31 bits of milliseconds: 24.8 days; a longer one would fire at once. */
const MAX_DAYS = 24;

/** For times that are not measured by one timer. */
const MAX_LONG_DAYS = 3650;

/**
 * A time span: `90` (seconds), `30s`, `5m`, `1h 30m`, `1h30m`, `1.5s`.
 *
 * @returns whole milliseconds, at least one
 */
export const parseDuration = durationUpTo(MAX_DAYS);

/** The same, up to ten years. */
export const parseLongDuration = durationUpTo(MAX_LONG_DAYS);

/** The same as `parseDuration`, or nothing at all: `0`. */
export function parsePatience(text: string): number {
  return parseSpan(text) === 0 ? 0 : parseDuration(text);
}

function durationUpTo(days: number): (text: string) => number {
  return (text) => {
    const milliseconds = parseSpan(text);
    if (milliseconds === undefined) {
      throw badValue(
        `not a time span: ${quote(text)}`,
        "write for example 30s, 5m or 1h30m; a bare number is in seconds",
      );
    }
    if (milliseconds > days * DAY_MS) throw badValue(`must be at most ${days} days, not ${text}`);
    if (milliseconds < 1) throw badValue(`must be longer than ${text}`);
    return Math.round(milliseconds);
  };
}
