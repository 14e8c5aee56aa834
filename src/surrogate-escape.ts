/**
 * Byte strings of Unix (arguments, environment, paths) as JavaScript strings that lose nothing: what is UTF-8 is text,
 * every other byte is a lone surrogate U+DC80 to U+DCFF, as Python does it (PEP 383).
 */
import { isUtf8 } from "node:buffer";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/** The lone surrogate of byte 0x80 is U+DC80. */
const ESCAPE = 0xdc00;

const escapedByte = /(?<![\ud800-\udbff])[\udc80-\udcff]/;

/** The text of a byte string; `encodeByteString` turns it into the same bytes again. */
export function decodeByteString(bytes: Uint8Array): string {
  if (isUtf8(bytes)) return decoder.decode(bytes);
  let text = "";
  let start = 0;
  for (let offset = 0; offset < bytes.length; ) {
    const length = sequenceLength(bytes, offset);
    if (length > 0) {
      offset += length;
      continue;
    }
    text += decoder.decode(bytes.subarray(start, offset));
    text += String.fromCharCode(ESCAPE + (bytes[offset] as number));
    offset += 1;
    start = offset;
  }
  return text + decoder.decode(bytes.subarray(start));
}

/** The bytes of a text. Surrogates that stand for no byte, which is no text at all, become U+FFFD. */
export function encodeByteString(text: string): Uint8Array {
  if (!escapedByte.test(text)) return encoder.encode(text);
  const parts: Uint8Array[] = [];
  let start = 0;
  for (let offset = 0; offset < text.length; offset++) {
    const unit = text.charCodeAt(offset);
    if (unit >= 0xd800 && unit <= 0xdbff) {
      const next = text.charCodeAt(offset + 1);
      // A pair is a character of its own, whatever its second half looks like.
      if (next >= 0xdc00 && next <= 0xdfff) offset += 1;
    } else if (unit >= 0xdc80 && unit <= 0xdcff) {
      parts.push(encoder.encode(text.slice(start, offset)), new Uint8Array([unit - ESCAPE]));
      start = offset + 1;
    }
  }
  parts.push(encoder.encode(text.slice(start)));
  return Buffer.concat(parts);
}

/** Length of the UTF-8 sequence at `offset` (Unicode 15, table 3-7), 0 when there is none. */
function sequenceLength(bytes: Uint8Array, offset: number): number {
  const first = bytes[offset] as number;
  if (first < 0x80) return 1;
  const length = first >= 0xc2 && first <= 0xdf ? 2 : first >= 0xe0 && first <= 0xef ? 3 : 4;
  if (first < 0xc2 || first > 0xf4) return 0;
  return isUtf8(bytes.subarray(offset, offset + length)) ? length : 0;
}
