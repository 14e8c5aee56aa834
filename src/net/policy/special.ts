import { type Address, contains, parseRange, type Range } from "./address.ts";

/**
 * Addresses that are no ordinary hosts of the internet.
 *
 * - `closed`: also for a machine with the whole network. They are the host itself, what only its own link or cloud is
 *   meant to see, or no single host at all. Only a range that lies within one of these, written by the user, opens it.
 * - `inner`: of the host's surroundings. Open with the whole network, and never opened by the answer to a question about
 *   a name: who owns an allowed name in the DNS could point it there (rebinding).
 */
export interface Special {
  readonly range: Range;
  readonly what: string;
  readonly kind: "closed" | "inner";
}

const special = (kind: Special["kind"], what: string, ...ranges: string[]): Special[] =>
  ranges.map((range) => ({ kind, what, range: parseRange(range) as Range }));

/** RFC 6890 and its registries; narrower ranges stand before those that contain them. */
export const SPECIAL: readonly Special[] = [
  // AWS, GCP and Azure (169.254.169.254), ECS (169.254.170.2), Alibaba, Oracle, Azure's wire server; AWS and GCP in IPv6.
  ...special("closed", "metadata", "169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192"),
  ...special("closed", "metadata", "168.63.129.16", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254"),
  ...special("closed", "loopback", "127.0.0.0/8", "::1"),
  // The kernel takes these for the host itself.
  ...special("closed", "unspecified", "0.0.0.0/8", "::"),
  ...special("closed", "link-local", "169.254.0.0/16", "fe80::/10"),
  ...special("closed", "multicast", "224.0.0.0/4", "ff00::/8"),
  ...special("closed", "reserved", "240.0.0.0/4"),
  ...special("closed", "IPv4-mapped", "::ffff:0:0/96"),
  ...special("closed", "IPv4-compatible", "::/96"),
  // Stateless translators (RFC 2765) take these for IPv4 addresses.
  ...special("closed", "IPv4-translated", "::ffff:0:0:0/96"),
  // Where in these the IPv4 address lies is each network's own choice (RFC 8215, RFC 6052): it cannot be judged.
  ...special("closed", "local NAT64", "64:ff9b:1::/48"),
  // All machines have the same addresses; what has them is this machine and its gateway.
  ...special("closed", "the machine's own network", "100.96.0.0/30", "fd00:53:4d::/64"),
  ...special("inner", "private", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"),
  ...special("inner", "shared (CGNAT)", "100.64.0.0/10"),
  ...special("inner", "protocol assignments", "192.0.0.0/24"),
  ...special("inner", "benchmarking", "198.18.0.0/15", "2001:2::/48"),
  ...special("inner", "NAT64", "64:ff9b::/96"),
  ...special("inner", "6to4", "2002::/16"),
  ...special("inner", "Teredo", "2001::/32"),
];

export function specialOf(address: Address): Special | undefined {
  return SPECIAL.find(({ range }) => contains(range, address));
}

const last32 = (value: bigint) => value & 0xffff_ffffn;

/** Where the IPv4 address lies in addresses that a translator on the way turns into one. */
const EMBEDDINGS: readonly (readonly [Range, (value: bigint) => bigint])[] = [
  [parseRange("::ffff:0:0/96") as Range, last32],
  [parseRange("64:ff9b::/96") as Range, last32],
  [parseRange("::ffff:0:0:0/96") as Range, last32],
  [parseRange("2002::/16") as Range, (value) => last32(value >> 80n)],
  // RFC 4380 §4: its bits are inverted.
  [parseRange("2001::/32") as Range, (value) => last32(value) ^ 0xffff_ffffn],
];

/** ISATAP (RFC 5214 §6.1): the last 64 bits say so, whatever stands before them. */
function isIsatap({ width, value }: Address): boolean {
  const identifier = (value >> 32n) & 0xffff_ffffn;
  return width === 128 && (identifier & ~0x0200_0000n) === 0x5efen;
}

/** The IPv4 address that an IPv6 address stands for. */
export function embedded(address: Address): Address | undefined {
  const found = EMBEDDINGS.find(([range]) => contains(range, address));
  if (found !== undefined) return { width: 32, value: found[1](address.value) };
  return isIsatap(address) ? { width: 32, value: last32(address.value) } : undefined;
}
