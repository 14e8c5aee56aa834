import { OpenedAddresses } from "./opened.ts";
import { OwnAddresses } from "./own.ts";
import { type Policy, type PolicySettings, readPolicy } from "./policy.ts";

const nothing: PolicySettings = {
  ...{ egress: "list", hosts: [], ranges: [], presets: [], localhost: false, checkServerName: true },
};

export function policyOf(settings: Partial<PolicySettings>): Policy {
  return readPolicy({ ...nothing, ...settings });
}

/** A host whose addresses are in no test's way. */
export const elsewhere = () => new OwnAddresses(() => []);

/** Pseudo-random numbers below a bound. */
export function generator(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Of a test that prints it when it fails; SEED repeats one. */
export const seedOfTest = () => Number(process.env.SEED ?? Math.floor(Math.random() * 1_000_000));

/** @param opened addresses by name */
export function openedWith(opened: Readonly<Record<string, readonly string[]>>): OpenedAddresses {
  const addresses = new OpenedAddresses();
  for (const [name, list] of Object.entries(opened))
    for (const address of list) addresses.open(address, name, 1000, false);
  return addresses;
}
