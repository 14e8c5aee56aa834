import { damaged } from "./error.ts";

const SPACE = 0x20;
const ZERO = 0x30;
const SEVEN = 0x37;

/**
 * A number field of a header: octal digits between optional blanks, ended by a blank, a NUL or the end of the field
 * (POSIX ustar), or a two's complement number with the first bit set (GNU base-256). An empty field is 0.
 *
 * @throws SmolError for anything else, and for numbers that a double cannot hold exactly.
 */
export function parseNumber(block: Uint8Array, start: number, length: number, field: string): number {
  const first = block[start] ?? 0;
  if (first & 0x80) return parseBase256(block, start, length, field);
  const end = start + length;
  let at = start;
  while (at < end && block[at] === SPACE) at++;
  let value = 0;
  for (; at < end; at++) {
    const byte = block[at] ?? 0;
    if (byte === SPACE || byte === 0) break;
    if (byte < ZERO || byte > SEVEN) throw damaged(`the field "${field}" of a header is not a number`);
    value = value * 8 + (byte - ZERO);
  }
  for (; at < end; at++) {
    const byte = block[at] ?? 0;
    if (byte !== SPACE && byte !== 0) throw damaged(`the field "${field}" of a header is not a number`);
  }
  return value;
}

function parseBase256(block: Uint8Array, start: number, length: number, field: string): number {
  const negative = ((block[start] ?? 0) & 0x40) !== 0;
  // The first bit only marks the format: the sign is the second one.
  let value = ((block[start] ?? 0) & 0x3f) - (negative ? 0x40 : 0);
  for (let at = start + 1; at < start + length; at++) {
    value = value * 256 + (block[at] ?? 0);
    if (!Number.isSafeInteger(value)) throw damaged(`the field "${field}" of a header is out of range`);
  }
  return value;
}

/** A decimal number of a PAX record, without sign or fraction. */
export function parseDecimal(text: string, field: string): number {
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw damaged(`the extended header "${field}" is not a number`);
  return value;
}

/** A PAX time: seconds with an optional sign and fraction; digits past the nanosecond are cut, towards the past. */
export function parseTime(text: string, field: string): { seconds: number; nanoseconds: number } {
  const match = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/.exec(text);
  if (match === null) throw damaged(`the extended header "${field}" is not a time`);
  const [, sign, whole, fraction = ""] = match;
  const seconds = Number(whole);
  const nanoseconds = Number(fraction.slice(0, 9).padEnd(9, "0"));
  if (sign === "") return { seconds, nanoseconds };
  const cut = /[1-9]/.test(fraction.slice(9)) ? 1 : 0;
  const total = nanoseconds + cut;
  if (total === 0) return { seconds: seconds === 0 ? 0 : -seconds, nanoseconds: 0 };
  return { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - total };
}
