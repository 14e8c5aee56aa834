import { damaged } from "./error.ts";
import { parseNumber } from "./numeric.ts";

export const TAR_BLOCK = 512;

/** The fields of a header block that every variant of the format has. */
export interface Header {
  readonly typeflag: string;
  readonly size: number;
  readonly name: string;
  readonly linkname: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  readonly major: number;
  readonly minor: number;
}

/** A string field: up to the first NUL. */
export function fieldText(block: Buffer, start: number, length: number): string {
  const end = block.indexOf(0, start);
  return block.toString("latin1", start, end === -1 || end > start + length ? start + length : end);
}

const zeros = Buffer.alloc(TAR_BLOCK);

export function isZeroBlock(block: Buffer): boolean {
  return block[0] === 0 && block.equals(zeros);
}

/** Where the checksum stands, and how long it is. */
const CHECKSUM = 148;
const CHECKSUM_BYTES = 8;

/**
 * Reads a header block (POSIX ustar, GNU or the format of Unix version 7).
 *
 * @throws SmolError when the checksum or a number is wrong.
 */
export function parseHeader(block: Buffer): Header {
  checkSum(block);
  const name = fieldText(block, 0, 100);
  // "ustar" ends with a NUL in POSIX archives and with a blank in GNU ones, which use the prefix for other things.
  const posix = block.toString("latin1", 257, 263) === "ustar\0";
  const gnu = block.toString("latin1", 257, 263) === "ustar ";
  const prefix = posix ? fieldText(block, 345, 155) : "";
  const typeflag = block.toString("latin1", 156, 157);
  const isDevice = typeflag === "3" || typeflag === "4";
  const [mode = 0, uid = 0, gid = 0, size = 0, mtime = 0] = parseNumbers(block, numberFields);
  const [major = 0, minor = 0] = isDevice && (posix || gnu) ? parseNumbers(block, deviceFields) : [];
  return {
    typeflag,
    size,
    name: prefix === "" ? name : `${prefix}/${name}`,
    linkname: fieldText(block, 157, 100),
    mode,
    uid,
    gid,
    mtime,
    major,
    minor,
  };
}

type NumberField = readonly [name: string, start: number, length: number];

const numberFields: readonly NumberField[] = [
  ["mode", 100, 8],
  ["uid", 108, 8],
  ["gid", 116, 8],
  ["size", 124, 12],
  ["mtime", 136, 12],
];

const deviceFields: readonly NumberField[] = [
  ["devmajor", 329, 8],
  ["devminor", 337, 8],
];

/** One place that parses for all fields: the compiler copies what is called into each place that calls it. */
const parseNumbers = (block: Buffer, fields: readonly NumberField[]) =>
  fields.map(([name, start, length]) => parseNumber(block, start, length, name));

/** The sum of all bytes with the checksum field as blanks; old programs summed signed bytes. */
function checkSum(block: Buffer): void {
  const expected = parseNumber(block, CHECKSUM, CHECKSUM_BYTES, "checksum");
  const unsigned = sumOf(block.subarray(0, SUMMABLE)) + sumOf(block.subarray(SUMMABLE));
  const field = block.subarray(CHECKSUM, CHECKSUM + CHECKSUM_BYTES);
  const blanks = CHECKSUM_BYTES * 0x20 - sumOf(field);
  if (unsigned + blanks === expected) return;
  const high = (bytes: Buffer) => bytes.reduce((count, byte) => count + (byte >> 7), 0);
  const signed = unsigned - 256 * (high(block) - high(field));
  if (signed + blanks !== expected) throw damaged("a header has a wrong checksum");
}

/** So many bytes can be summed by `sumOf`. */
const SUMMABLE = 256;

/**
 * The sum of up to 256 bytes, without a loop that would be the hottest of a pull: the lower half of their Adler-32 is
 * their sum and one, modulo 65521 (RFC 1950, section 8.2), which is more than 256 bytes can have.
 */
const sumOf = (bytes: Uint8Array) => (Bun.hash.adler32(bytes) & 0xffff) - 1;
