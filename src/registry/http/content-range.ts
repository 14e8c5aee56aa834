/** Which part of a whole an answer holds: bytes `first` to `last`, both included. */
export interface ContentRange {
  readonly first: number;
  readonly last: number;
  /** Undefined when the server does not know (`*`). */
  readonly total: number | undefined;
}

/** `bytes 100-199/1000` (RFC 9110, 14.4); undefined for everything that makes no sense. */
export function parseContentRange(value: string | null): ContentRange | undefined {
  const match = /^bytes +(\d{1,16})-(\d{1,16})\/(\d{1,16}|\*)$/i.exec(value?.trim() ?? "");
  if (match === null) return undefined;
  const first = Number(match[1]);
  const last = Number(match[2]);
  const total = match[3] === "*" ? undefined : Number(match[3]);
  if (![first, last, total ?? 0].every(Number.isSafeInteger)) return undefined;
  if (last < first || (total !== undefined && last >= total)) return undefined;
  return { first, last, total };
}

/** The length that an answer promises; undefined when there is none (chunked) or it is no number. */
export function contentLength(headers: Headers): number | undefined {
  const text = headers.get("content-length");
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
