import { badValue } from "../usage.ts";
import { quote } from "./size.ts";

/** Milliseconds of each unit, under every name that humantime knows it by. */
const UNITS: Readonly<Record<string, number>> = {
  ...named(1, "ms", "msec", "millis"),
  ...named(1000, "s", "sec", "secs", "second", "seconds"),
  ...named(60_000, "m", "min", "mins", "minute", "minutes"),
  ...named(3_600_000, "h", "hr", "hrs", "hour", "hours"),
  ...named(86_400_000, "d", "day", "days"),
};

function named(milliseconds: number, ...names: string[]): Record<string, number> {
  return Object.fromEntries(names.map((name) => [name, milliseconds]));
}

/** Timers hold 31 bits of milliseconds: 24.8 days; a longer one would fire at once. */
const MAX_DAYS = 24;

/**
 * A time span: `90` (seconds), `30s`, `5m`, `1h 30m`, `1h30m`, `1.5s`.
 *
 * @returns whole milliseconds, at least one
 */
export function parseDuration(text: string): number {
  const milliseconds = /^\d{1,12}(\.\d{1,6})?$/.test(text) ? Number(text) * 1000 : sumOfParts(text);
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

function sumOfParts(text: string): number | undefined {
  const part = /\s*(\d{1,12}(?:\.\d{1,6})?)\s*([a-z]{1,7})/gy;
  let sum = 0;
  let end = 0;
  for (const match of text.trimEnd().matchAll(part)) {
    const unit = UNITS[match[2] ?? ""];
    if (unit === undefined) return undefined;
    sum += Number(match[1]) * unit;
    end = match.index + match[0].length;
  }
  return end > 0 && end === text.trimEnd().length ? sum : undefined;
}
