/**
 * The outermost layer of a `.smolmachine` file: sections, a table of them, signatures, a footer of 64 bytes. It is
 * read from its end, so that it may be appended to a program. docs/pack-format.md has the whole; the launcher
 * (stub/) reads the same in C, and so this part is kept as simple as it can be.
 *
 *     sections             one behind the other from byte 0 on, without gaps
 *     section table        128 bytes for each section
 *     signatures           96 bytes for each: ed25519 public key (32), signature (64)
 *     footer               64 bytes
 *
 * All numbers are little-endian.
 */
import { damaged, notAPack, unsupported } from "./failure.ts";
import { limits } from "./limits.ts";

export const FOOTER_BYTES = 64;
export const ENTRY_BYTES = 128;
export const SIGNATURE_BYTES = 96;

const MAGIC = "SMOLPACK";

/** Of this container. Upstream's files have the same magic, and versions below this one. */
export const FORMAT_VERSION = 16;

/** How a section's bytes are stored. `zstd`: frames of RFC 8878, one or several; `folded`: of what src/assets/fold.ts makes. */
export type Encoding = "raw" | "zstd" | "folded";

const encodings: readonly Encoding[] = ["raw", "zstd", "folded"];

/** A part of a pack. */
export interface Section {
  /** `manifest`, `index`, `chunks`, `runtime`; at most 16 bytes of ASCII. */
  readonly kind: string;
  /** Tells sections of one kind apart: a runtime's host platform (`linux/amd64`). At most 32 bytes of ASCII. */
  readonly name: string;
  /** From the pack's first byte. */
  readonly offset: number;
  /** As it is stored. */
  readonly bytes: number;
  /** After decompression; equals `bytes` when it is raw. */
  readonly contentBytes: number;
  readonly encoding: Encoding;
  /** A reader that does not know the kind must not use the pack. */
  readonly critical: boolean;
  /** SHA-256 of the bytes as they are stored, hex. Zeros for `chunks`, of which the index has a digest for each. */
  readonly digest: string;
}

/** What stands in the last 64 bytes. */
export interface Footer {
  /** From the pack's first byte to its last, footer included. */
  readonly packBytes: number;
  readonly sections: number;
  readonly signatures: number;
  /** SHA-256 of the section table, hex: it identifies the pack, and is what is signed. */
  readonly digest: string;
}

/**
 *      0   8  magic, "SMOLPACK"
 *      8   4  version of the format
 *     12   4  sections
 *     16   8  bytes of the whole pack
 *     24   4  signatures
 *     28   4  zero
 *     32  32  SHA-256 of the section table
 */
export function encodeFooter(footer: Footer): Buffer {
  const bytes = Buffer.alloc(FOOTER_BYTES);
  bytes.write(MAGIC, 0, "latin1");
  bytes.writeUInt32LE(FORMAT_VERSION, 8);
  bytes.writeUInt32LE(footer.sections, 12);
  bytes.writeBigUInt64LE(BigInt(footer.packBytes), 16);
  bytes.writeUInt32LE(footer.signatures, 24);
  bytes.write(footer.digest, 32, "hex");
  return bytes;
}

/**
 * Reads a footer and checks everything about it that can be checked without the rest of the file.
 *
 * @param path for errors
 * @throws SmolError `pack.not_a_pack`, `pack.unsupported`, `pack.damaged`
 */
export function decodeFooter(bytes: Buffer, path: string): Footer {
  if (bytes.length !== FOOTER_BYTES || bytes.toString("latin1", 0, 8) !== MAGIC) throw notAPack(path);
  const version = bytes.readUInt32LE(8);
  if (version !== FORMAT_VERSION) throw unsupported(version);
  const footer = {
    sections: bytes.readUInt32LE(12),
    packBytes: numberAt(bytes, 16),
    signatures: bytes.readUInt32LE(24),
    digest: bytes.toString("hex", 32, 64),
  };
  if (bytes.readUInt32LE(28) !== 0) throw damaged("the footer");
  if (footer.sections === 0 || footer.sections > limits.sections) throw damaged("the number of sections");
  if (footer.signatures > limits.signatures) throw damaged("the number of signatures");
  return footer;
}

/**
 *      0  16  kind, ASCII, padded with zeros
 *     16  32  name, ASCII, padded with zeros
 *     48   8  offset
 *     56   8  bytes as stored
 *     64   8  bytes after decompression
 *     72   4  encoding: 0 raw, 1 zstd, 2 zstd of x86-64 code with folded addresses
 *     76   4  flags: 1 critical
 *     80  32  SHA-256 of the bytes as stored
 *    112  16  zero
 */
export function encodeSection(section: Section): Buffer {
  const bytes = Buffer.alloc(ENTRY_BYTES);
  bytes.write(section.kind, 0, 16, "latin1");
  bytes.write(section.name, 16, 32, "latin1");
  bytes.writeBigUInt64LE(BigInt(section.offset), 48);
  bytes.writeBigUInt64LE(BigInt(section.bytes), 56);
  bytes.writeBigUInt64LE(BigInt(section.contentBytes), 64);
  bytes.writeUInt32LE(encodings.indexOf(section.encoding), 72);
  bytes.writeUInt32LE(section.critical ? 1 : 0, 76);
  bytes.write(section.digest, 80, "hex");
  return bytes;
}

/** @throws SmolError `pack.damaged` for anything that `encodeSection` would not write */
export function decodeSection(bytes: Buffer): Section {
  const encoding = encodings[bytes.readUInt32LE(72)];
  const flags = bytes.readUInt32LE(76);
  const isPadded = bytes.subarray(112).every((byte) => byte === 0);
  if (encoding === undefined || flags > 1 || !isPadded) throw damaged("the section table");
  const section = {
    kind: textAt(bytes, 0, 16),
    name: textAt(bytes, 16, 32),
    offset: numberAt(bytes, 48),
    bytes: numberAt(bytes, 56),
    contentBytes: numberAt(bytes, 64),
    encoding,
    critical: flags === 1,
    digest: bytes.toString("hex", 80, 112),
  };
  if (section.kind === "") throw damaged("the section table");
  if (encoding === "raw" && section.bytes !== section.contentBytes) throw damaged("the section table");
  return section;
}

/**
 * Reads a section table, and makes sure that the sections fill the pack without gaps: no byte of it is nobody's.
 *
 * @param end where the table begins in the pack
 * @throws SmolError `pack.damaged`
 */
export function decodeTable(bytes: Buffer, end: number): Section[] {
  const sections: Section[] = [];
  let position = 0;
  for (let at = 0; at < bytes.length; at += ENTRY_BYTES) {
    const section = decodeSection(bytes.subarray(at, at + ENTRY_BYTES));
    const isTwice = sections.some(({ kind, name }) => kind === section.kind && name === section.name);
    if (section.offset !== position || isTwice) throw damaged("the section table");
    position += section.bytes;
    sections.push(section);
  }
  if (position !== end) throw damaged("the section table");
  return sections;
}

function textAt(bytes: Buffer, start: number, length: number): string {
  const text = bytes.toString("latin1", start, start + length).replace(/\0+$/, "");
  if (!/^[\x21-\x7e]*$/.test(text)) throw damaged("the section table");
  return text;
}

/** A u64 that is a length or a position: larger ones than JavaScript's whole numbers are in no file. */
function numberAt(bytes: Buffer, at: number): number {
  const value = bytes.readBigUInt64LE(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw damaged("a length");
  return Number(value);
}
