import { parseSpan, quote } from "../../values/index.ts";
import { badValue } from "../usage.ts";

/** A bare number from here on is a time, not a span: a thousand years ago, or March 1973. */
const FIRST_TIMESTAMP = 100_000_000;

/**
 * A moment in the past: how long ago (`10m`), a date of ISO 8601 (`2026-01-31T12:00:00Z`; without a time zone, the
 * host's), or seconds since 1970.
 *
 * @param now milliseconds since the epoch
 * @returns milliseconds since the epoch
 */
export function parseMoment(text: string, now: number = Date.now()): number {
  if (/^\d{9,12}(\.\d{1,9})?$/.test(text) && Number(text) >= FIRST_TIMESTAMP) return Number(text) * 1000;
  const span = parseSpan(text);
  if (span !== undefined) return Math.round(now - span);
  const isDate = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?$/i.test(text);
  // A day alone would be one of UTC, other than a time without a zone.
  const moment = isDate
    ? Date.parse(text.length === 10 ? `${text}T00:00` : text.replace(" ", "T"))
    : Number.NaN;
  if (!Number.isNaN(moment)) return moment;
  throw badValue(
    `not a time: ${quote(text)}`,
    "write for example 10m (ago), 2026-01-31T12:00:00Z, or seconds since 1970",
  );
}
