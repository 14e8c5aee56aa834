import { networkInterfaces } from "node:os";
import { formatAddress, parseAddress } from "./address.ts";

/** Milliseconds after which they are looked at again: hosts move between networks. */
const FRESH_MS = 2000;

/** Addresses that this host has on its links. Those of its loopback are no links', and special as a whole. */
export class OwnAddresses {
  #addresses: ReadonlySet<string> = new Set();
  #until = Number.NEGATIVE_INFINITY;

  readonly #look: () => ReadonlySet<string>;

  constructor(look = ownAddresses) {
    this.#look = look;
  }

  /** @param now milliseconds, of a clock that never goes back */
  at(now: number): ReadonlySet<string> {
    if (now >= this.#until) {
      this.#addresses = this.#look();
      this.#until = now + FRESH_MS;
    }
    return this.#addresses;
  }
}

/** As `formatAddress` writes them. */
export function ownAddresses(): ReadonlySet<string> {
  const links = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const own = links.filter(({ internal }) => !internal).map(({ address }) => parseAddress(address));
  return new Set(own.filter((address) => address !== undefined).map(formatAddress));
}
