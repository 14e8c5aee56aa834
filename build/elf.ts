/** Reads from a 64-bit little-endian ELF file what the dynamic linker would (System V gABI chapter 5). */

export interface Dynamic {
  /** Path of the program interpreter (PT_INTERP), of executables. */
  readonly interpreter: string | undefined;
  /** Names of the shared libraries it needs (DT_NEEDED). */
  readonly needed: readonly string[];
}

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NEEDED = 1n;
const DT_STRTAB = 5n;

/** @throws Error when the bytes are not such a file. */
export function readDynamic(file: Buffer): Dynamic {
  if (file.readUInt32BE(0) !== 0x7f454c46 || file[4] !== 2 || file[5] !== 1)
    throw new Error("not a 64-bit ELF file");
  const segments = programHeaders(file);
  const interp = segments.find(({ type }) => type === PT_INTERP);
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  const interpreter = interp && cString(file, interp.offset);
  if (!dynamic) return { interpreter, needed: [] };

  const entries: [bigint, bigint][] = [];
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += 16) {
    entries.push([file.readBigUInt64LE(at), file.readBigUInt64LE(at + 8)]);
  }
  const table = Number(entries.find(([tag]) => tag === DT_STRTAB)?.[1] ?? 0n);
  const home = segments.find((s) => s.type === PT_LOAD && s.address <= table && table < s.address + s.size);
  if (!home) throw new Error("the string table is in no segment");
  const strings = table - home.address + home.offset;
  const needed = entries
    .filter(([tag]) => tag === DT_NEEDED)
    .map(([, at]) => cString(file, strings + Number(at)));
  return { interpreter, needed };
}

function programHeaders(file: Buffer) {
  const start = Number(file.readBigUInt64LE(32));
  const size = file.readUInt16LE(54);
  return Array.from({ length: file.readUInt16LE(56) }, (_, index) => {
    const at = start + index * size;
    return {
      type: file.readUInt32LE(at),
      offset: Number(file.readBigUInt64LE(at + 8)),
      address: Number(file.readBigUInt64LE(at + 16)),
      size: Number(file.readBigUInt64LE(at + 32)),
    };
  });
}

function cString(file: Buffer, offset: number): string {
  return file.toString("latin1", offset, file.indexOf(0, offset));
}
