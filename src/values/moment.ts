import { parseSpan } from "./duration.ts";

const date = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?)?$/;

/**
 * A moment, as docker takes it: a time span before now (`10m`), seconds since the epoch (`1767225600`,
 * `1767225600.5`), or a date or time in RFC 3339 (`2026-01-31`, `2026-01-31T12:00:00+01:00`), local where it has no
 * zone.
 *
 * @param now milliseconds since the epoch
 * @returns milliseconds since the epoch; undefined when the text is no moment
 */
export function parseMoment(text: string, now: number): number | undefined {
  if (/^\d{1,12}(\.\d{1,9})?$/.test(text)) return Number(text) * 1000;
  // A date alone would be taken for UTC.
  if (date.test(text)) return finite(Date.parse(text.includes("T") ? text : `${text}T00:00`));
  const span = parseSpan(text);
  return span === undefined ? undefined : now - span;
}

const finite = (value: number) => (Number.isFinite(value) ? value : undefined);
