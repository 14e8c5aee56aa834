/**
 * Whether NO_PROXY names an address: `*`, a host (and all below it), `.suffix`, `*.suffix`, an IP address, or a
 * network like `10.0.0.0/8`; each but the last two forms of `*` with an optional port. Separated by commas or blanks.
 */
export function bypasses(url: URL, list: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, "").toLowerCase();
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return list
    .slice(0, 64 * 1024)
    .split(/[,\s]+/)
    .some((entry) => entry !== "" && matches(entry.toLowerCase(), host, port));
}

function matches(entry: string, host: string, port: string): boolean {
  if (entry === "*") return true;
  if (entry.includes("/")) return inNetwork(entry, host);
  const { name, only } = splitPort(entry);
  if (only !== undefined && only !== port) return false;
  if (isIP(name) !== 0) return isIP(host) !== 0 && sameAddress(name, host);
  // A name does not match addresses, whatever they end in.
  if (name === "" || isIP(host) !== 0) return false;
  const suffix = name.replace(/^\*?\./, "");
  const bare = suffix === name;
  return host.endsWith(`.${suffix}`) || (bare && host === suffix);
}

/** `host:port`, `[::1]:port`, or either without a port; a bare IPv6 address has none. */
function splitPort(entry: string): { name: string; only: string | undefined } {
  const bracketed = /^\[([^\]]*)\](?::(\d+))?$/.exec(entry);
  if (bracketed !== null) return { name: bracketed[1] ?? "", only: bracketed[2] };
  if (isIP(entry) === 6) return { name: entry, only: undefined };
  const match = /^(.*):(\d+)$/.exec(entry);
  return match === null ? { name: entry, only: undefined } : { name: match[1] ?? "", only: match[2] };
}

const sameAddress = (a: string, b: string) => toBits(a)?.value === toBits(b)?.value;

function inNetwork(entry: string, host: string): boolean {
  const [address = "", length = ""] = entry.split("/", 2);
  const network = toBits(address);
  const candidate = toBits(host);
  if (network === undefined || candidate === undefined || !/^\d{1,3}$/.test(length)) return false;
  if (network.width !== candidate.width || Number(length) > network.width) return false;
  const shift = BigInt(network.width - Number(length));
  return network.value >> shift === candidate.value >> shift;
}

/** 4, 6, or 0 for names. (node:net has this too, and takes 13 ms to load.) */
function isIP(text: string): 0 | 4 | 6 {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text))
    return text.split(".").every((part) => Number(part) < 256) ? 4 : 0;
  return text.includes(":") && URL.canParse(`http://[${text}]/`) ? 6 : 0;
}

function toBits(address: string): { value: bigint; width: number } | undefined {
  if (isIP(address) === 4) {
    const value = address.split(".").reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
    return { value, width: 32 };
  }
  if (isIP(address) !== 6) return undefined;
  // The URL parser writes all forms of an address the same way, with at most one `::` and no dots.
  const text = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const [head = "", tail] = text.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const groups = [...before, ...Array(8 - before.length - after.length).fill("0"), ...after];
  return {
    value: groups.reduce((sum: bigint, group) => (sum << 16n) | BigInt(`0x${group}`), 0n),
    width: 128,
  };
}
