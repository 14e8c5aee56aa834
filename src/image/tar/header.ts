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

export function isZeroBlock(block: Buffer): boolean {
  for (let at = 0; at < TAR_BLOCK; at += 4) if (block.readUInt32LE(at) !== 0) return false;
  return true;
}

const CHECKSUM = 148;

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
  return {
    typeflag,
    size: parseNumber(block, 124, 12, "size"),
    name: prefix === "" ? name : `${prefix}/${name}`,
    linkname: fieldText(block, 157, 100),
    mode: parseNumber(block, 100, 8, "mode"),
    uid: parseNumber(block, 108, 8, "uid"),
    gid: parseNumber(block, 116, 8, "gid"),
    mtime: parseNumber(block, 136, 12, "mtime"),
    major: isDevice && (posix || gnu) ? parseNumber(block, 329, 8, "devmajor") : 0,
    minor: isDevice && (posix || gnu) ? parseNumber(block, 337, 8, "devminor") : 0,
  };
}

/** The sum of all bytes with the checksum field as blanks; old programs summed signed bytes. */
function checkSum(block: Buffer): void {
  const expected = parseNumber(block, CHECKSUM, 8, "checksum");
  let unsigned = 0;
  for (let at = 0; at < TAR_BLOCK; at++) unsigned += block[at] ?? 0;
  for (let at = CHECKSUM; at < CHECKSUM + 8; at++) unsigned += 0x20 - (block[at] ?? 0);
  if (unsigned === expected) return;
  let signed = unsigned;
  for (let at = 0; at < TAR_BLOCK; at++) {
    if ((block[at] ?? 0) >= 0x80 && (at < CHECKSUM || at >= CHECKSUM + 8)) signed -= 256;
  }
  if (signed !== expected) throw damaged("a header has a wrong checksum");
}
