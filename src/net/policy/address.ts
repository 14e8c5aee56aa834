/** IP addresses and ranges of them, as numbers. */

export interface Address {
  readonly width: 32 | 128;
  readonly value: bigint;
}

/** All addresses that begin with the same bits. */
export interface Range extends Address {
  /** How many bits. */
  readonly length: number;
}

/**
 * Reads one address: four decimal numbers without leading zeros (which some programs take for octal), or IPv6 as in
 * RFC 4291 §2.2, without a zone.
 */
export function parseAddress(text: string): Address | undefined {
  if (text.length > 45) return undefined;
  if (!text.includes(":")) {
    const value = parseQuad(text);
    return value === undefined ? undefined : { width: 32, value };
  }
  const value = parseGroups(text);
  return value === undefined ? undefined : { width: 128, value };
}

function parseQuad(text: string): bigint | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return undefined;
  return parts.reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

function parseGroups(text: string): bigint | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half, index) => groupsOf(half, index === halves.length - 1));
  if (head === undefined) return undefined;
  if (halves.length === 1) return head.length === 8 ? join(head) : undefined;
  if (tail === undefined || head.length + tail.length > 7) return undefined;
  return join([...head, ...Array<bigint>(8 - head.length - tail.length).fill(0n), ...tail]);
}

const join = (groups: readonly bigint[]) => groups.reduce((value, group) => (value << 16n) | group, 0n);

/** @param last the end of the address, which may be written as IPv4 */
function groupsOf(text: string, last: boolean): bigint[] | undefined {
  if (text === "") return [];
  const parts = text.split(":");
  const groups: bigint[] = [];
  for (const [index, part] of parts.entries()) {
    const quad = last && index === parts.length - 1 && part.includes(".") ? parseQuad(part) : undefined;
    if (quad !== undefined) groups.push(quad >> 16n, quad & 0xffffn);
    else if (/^[0-9A-Fa-f]{1,4}$/.test(part)) groups.push(BigInt(`0x${part}`));
    else return undefined;
  }
  return groups;
}

/** Writes an address, IPv6 as RFC 5952 wants it. */
export function formatAddress({ width, value }: Address): string {
  if (width === 32) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join(".");
  const groups = Array.from({ length: 8 }, (_, index) => (value >> BigInt(112 - 16 * index)) & 0xffffn);
  const text = groups.map((group) => group.toString(16));
  const { start, length } = longestZeros(groups);
  if (length < 2) return text.join(":");
  return `${text.slice(0, start).join(":")}::${text.slice(start + length).join(":")}`;
}

function longestZeros(groups: readonly bigint[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0n) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}

/** Reads `ADDRESS/LENGTH` or one address. Bits behind the length are dropped, as everywhere. */
export function parseRange(text: string): Range | undefined {
  const [head = "", length, ...rest] = text.split("/");
  const address = parseAddress(head);
  if (address === undefined || rest.length > 0) return undefined;
  if (length === undefined) return { ...address, length: address.width };
  if (!/^(?:0|[1-9]\d{0,2})$/.test(length) || Number(length) > address.width) return undefined;
  const shift = BigInt(address.width - Number(length));
  return { width: address.width, value: (address.value >> shift) << shift, length: Number(length) };
}

export function formatRange(range: Range): string {
  return range.length === range.width ? formatAddress(range) : `${formatAddress(range)}/${range.length}`;
}

export function contains(range: Range, address: Address): boolean {
  if (range.width !== address.width) return false;
  const shift = BigInt(range.width - range.length);
  return range.value >> shift === address.value >> shift;
}

/** Whether all of `inner` lies in `outer`. */
export function covers(outer: Range, inner: Range): boolean {
  return inner.length >= outer.length && contains(outer, inner);
}
