/**
 * Writes members of tar archives: ustar (POSIX.1-1988) headers, and PAX records (POSIX.1-2001) for what those cannot
 * hold: long names, fractions of seconds, large sizes and numbers, extended attributes.
 */

export const TAR_BLOCK = 512;
/** Two blocks of zeros end an archive; tar pads it to its record of 20 blocks, and so do we. */
export const TAR_END: Buffer = Buffer.alloc(20 * TAR_BLOCK);

/** The largest numbers of a header's octal fields; larger ones are PAX records. */
const MOST = { size: 8 ** 11, id: 8 ** 7, seconds: BigInt(8 ** 11) } as const;

/** What a header says. Names, targets and the values of records are byte strings: one character for each byte. */
export interface TarMember {
  /** `0` file, `1` hard link, `2` symbolic link, `3` character, `4` block device, `5` directory, `6` FIFO. */
  readonly type: string;
  /** A directory's ends with a slash. */
  readonly name: string;
  readonly target: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes that follow, before their padding. */
  readonly size: number;
  readonly seconds: bigint;
  readonly nanoseconds: number;
  readonly major?: number | undefined;
  readonly minor?: number | undefined;
  /** Further PAX records. */
  readonly records?: readonly (readonly [key: string, value: string])[] | undefined;
}

/** The header of a member, with the extended one before it where that is needed. */
export function tarHeader(member: TarMember): Buffer {
  const { name, target, size, uid, gid, seconds, nanoseconds } = member;
  const records: (readonly [string, string])[] = [...(member.records ?? [])];
  if (name.length > 100) records.push(["path", name]);
  if (target.length > 100) records.push(["linkpath", target]);
  if (size >= MOST.size) records.push(["size", String(size)]);
  if (uid >= MOST.id) records.push(["uid", String(uid)]);
  if (gid >= MOST.id) records.push(["gid", String(gid)]);
  if (nanoseconds > 0 || seconds < 0n || seconds >= MOST.seconds)
    records.push(["mtime", decimal(seconds, nanoseconds)]);
  const header = headerBlock(member);
  if (records.length === 0) return header;
  const body = Buffer.from(records.map(([key, value]) => paxRecord(key, value)).join(""), "latin1");
  const about = { ...member, mode: 0o644, name: `${name.slice(0, 90)}.pax`, target: "", type: "x" };
  const extended = headerBlock({ ...about, major: 0, minor: 0, size: body.length });
  return Buffer.concat([extended, body, Buffer.alloc(tarPadding(body.length)), header]);
}

/** Zeros between the bytes of a member and the next header. */
export const tarPadding = (size: number): number => (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK;

/** Numbers that do not fit are in a PAX record. */
function headerBlock(member: TarMember): Buffer {
  const { name, target, mode, uid, gid, size, seconds, type, major = 0, minor = 0 } = member;
  const block = Buffer.alloc(TAR_BLOCK);
  const octal = (value: number | bigint, at: number, digits: number) =>
    block.write(value.toString(8).padStart(digits, "0"), at, "latin1");
  block.write(name.slice(0, 100), 0, "latin1");
  octal(mode, 100, 7);
  octal(uid < MOST.id ? uid : 0, 108, 7);
  octal(gid < MOST.id ? gid : 0, 116, 7);
  octal(size < MOST.size ? size : 0, 124, 11);
  octal(seconds >= 0n && seconds < MOST.seconds ? seconds : 0n, 136, 11);
  block.write(`        ${type}`, 148, "latin1");
  block.write(target.slice(0, 100), 157, "latin1");
  block.write("ustar\x0000", 257, "latin1");
  if (type === "3" || type === "4") {
    octal(major, 329, 7);
    octal(minor, 337, 7);
  }
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** `LENGTH KEY=VALUE\n`, where the length counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return `${length}${rest}`;
}

/** Seconds since the epoch: before it, -0.5 is half a second before. */
function decimal(seconds: bigint, nanoseconds: number): string {
  const total = seconds * 1_000_000_000n + BigInt(nanoseconds);
  const size = total < 0n ? -total : total;
  const fraction = (size % 1_000_000_000n).toString().padStart(9, "0");
  return `${total < 0n ? "-" : ""}${size / 1_000_000_000n}.${fraction}`;
}
