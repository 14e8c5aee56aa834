import { parseSpan, quote } from "../../values/index.ts";
import { badValue } from "../usage.ts";

/** Timers hold 31 bits of milliseconds: 24.8 days; a longer one would fire at once. */
const MAX_DAYS = 24;

/**
 * A time span: `90` (seconds), `30s`, `5m`, `1h 30m`, `1h30m`, `1.5s`.
 *
 * @returns whole milliseconds, at least one
 */
export function parseDuration(text: string): number {
  const milliseconds = parseSpan(text);
  if (milliseconds === undefined) {
    throw badValue(
      `not a time span: ${quote(text)}`,
      "write for example 30s, 5m or 1h30m; a bare number is in seconds",
    );
  }
  if (milliseconds > MAX_DAYS * 86_400_000) throw badValue(`must be at most ${MAX_DAYS} days, not ${text}`);
  if (milliseconds < 1) throw badValue(`must be longer than ${text}`);
  return Math.round(milliseconds);
}
