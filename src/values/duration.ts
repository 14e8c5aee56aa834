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

/**
 * A time span: `90` (seconds), `30s`, `5m`, `1h 30m`, `1h30m`, `1.5s`.
 *
 * @returns milliseconds, perhaps not a whole number, and as many as the text says: how long is too long, the caller
 *   knows; undefined when the text is no time span
 */
export function parseSpan(text: string): number | undefined {
  return /^\d{1,40}(\.\d{1,6})?$/.test(text) ? Number(text) * 1000 : sumOfParts(text);
}

function sumOfParts(text: string): number | undefined {
  const part = /\s*(\d{1,40}(?:\.\d{1,6})?)\s*([a-z]{1,7})/gy;
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
