import { networkInterfaces } from "node:os";
import { type Address, contains, parseRange, type Range } from "./address.ts";
import { specialOf } from "./special.ts";

/** Milliseconds after which they are looked at again: hosts move between networks. */
const FRESH_MS = 2000;

/** Addresses that are this host, beside 127.0.0.0/8 and ::1, which are special as a whole. */
export class OwnAddresses {
  #ranges: readonly Range[] = [];
  #until = Number.NEGATIVE_INFINITY;

  readonly #look: () => readonly Range[];

  constructor(look = ownAddresses) {
    this.#look = look;
  }

  /** @param now milliseconds, of a clock that never goes back */
  at(now: number): readonly Range[] {
    if (now >= this.#until) {
      this.#ranges = this.#look();
      this.#until = now + FRESH_MS;
    }
    return this.#ranges;
  }
}

export function ownAddresses(): readonly Range[] {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses
    .map(({ address, cidr, family, internal }) =>
      // Of an IPv4 network on the loopback device, the kernel takes each address for the host itself.
      parseRange(internal && family === "IPv4" && cidr !== null ? cidr : address),
    )
    .filter((range) => range !== undefined)
    .filter((range) => specialOf(range)?.what !== "loopback");
}

export function isOwn(own: readonly Range[], address: Address): boolean {
  return own.some((range) => contains(range, address));
}
