/** Most addresses that are open at once; a guest may ask for as many names as it likes. */
const MAX_ADDRESSES = 8192;
/** A content network has thousands of names at one address; so many of them are remembered. */
const MAX_NAMES = 64;

interface Opening {
  /** Milliseconds of the caller's clock. */
  until: number;
  /** Said by the user, and not by the DNS: private addresses open too. */
  byUser: boolean;
}

/** Addresses that answers about allowed names have opened, each with those names and until when. */
export class OpenedAddresses {
  readonly #addresses = new Map<string, Map<string, Opening>>();

  /** @param address as `formatAddress` writes it */
  open(address: string, name: string, until: number, byUser: boolean): void {
    const names = this.#addresses.get(address) ?? new Map<string, Opening>();
    const before = names.get(name);
    // Again to the end: what was used last goes last.
    names.delete(name);
    names.set(name, {
      until: Math.max(until, before?.until ?? 0),
      byUser: byUser || before?.byUser === true,
    });
    dropFirst(names, MAX_NAMES);
    this.#addresses.delete(address);
    this.#addresses.set(address, names);
    dropFirst(this.#addresses, MAX_ADDRESSES);
  }

  /** The names through which an address is open at a moment. */
  namesOf(address: string, now: number): { name: string; byUser: boolean }[] {
    const names = this.#addresses.get(address);
    if (names === undefined) return [];
    for (const [name, { until }] of names) if (until <= now) names.delete(name);
    if (names.size === 0) this.#addresses.delete(address);
    return [...names].map(([name, { byUser }]) => ({ name, byUser }));
  }

  get size(): number {
    return this.#addresses.size;
  }
}

function dropFirst(map: Map<string, unknown>, most: number): void {
  for (const key of map.keys()) {
    if (map.size <= most) return;
    map.delete(key);
  }
}
