/**
 * Names in messages (RFC 1035 §3.1, §4.1.4). As text they have no dot at the end; the root is the empty text. Bytes that
 * have no place in a host's name, and dots within a label, are written `\DDD` (§5.1): no text is two different names.
 */

/** Bytes of a whole name, with the lengths and the root. */
export const MAX_NAME = 255;
const MAX_LABEL = 63;

const POINTER = 0xc0;
/** Most pointers on the way through a name, which has 127 labels at most. */
const MAX_POINTERS = 128;

export interface ReadName {
  readonly text: string;
  /** Where the name ends in the place where it stands. */
  readonly end: number;
  /** It stands there as a whole. */
  readonly plain: boolean;
}

/** @returns undefined: malformed, or longer than a name can be */
export function readName(bytes: Uint8Array, start: number): ReadName | undefined {
  const labels: string[] = [];
  let at = start;
  let length = 1;
  let end: number | undefined;
  // A pointer leads back, and each one further: that ends, whoever wrote it.
  let lowest = start;
  let pointers = 0;
  for (;;) {
    const first = bytes[at];
    if (first === undefined) return undefined;
    if (first === 0) return { text: labels.join("."), end: end ?? at + 1, plain: end === undefined };
    if (first >= POINTER) {
      const second = bytes[at + 1];
      if (second === undefined) return undefined;
      end ??= at + 2;
      at = ((first & ~POINTER) << 8) | second;
      if (at >= lowest || ++pointers > MAX_POINTERS) return undefined;
      lowest = at;
      continue;
    }
    if (first > MAX_LABEL || at + 1 + first > bytes.length) return undefined;
    length += first + 1;
    if (length > MAX_NAME) return undefined;
    labels.push(textOf(bytes.subarray(at + 1, at + 1 + first)));
    at += 1 + first;
  }
}

function textOf(label: Uint8Array): string {
  let text = "";
  for (const byte of label)
    text += isPlain(byte) ? String.fromCharCode(byte) : `\\${byte.toString().padStart(3, "0")}`;
  return text;
}

/** Letters, digits, `-`, `_`, and what is harmless in names that are no hosts'. */
function isPlain(byte: number): boolean {
  return byte > 0x20 && byte < 0x7f && byte !== 0x2e && byte !== 0x5c;
}

/** Writes the name of a host, which has been checked. */
export function writeName(name: string): Uint8Array {
  const labels = name === "" ? [] : name.split(".");
  return Buffer.concat([
    ...labels.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, "latin1")])),
    Buffer.from([0]),
  ]);
}
