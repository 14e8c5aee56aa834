import type { Paths } from "../../../config/paths.ts";
import type { Removal } from "../../../confine/index.ts";
import { type LanOptions, lanAddress, lanHosts } from "../../../net/index.ts";
import { joinNamedNetwork, type Membership, networkMembers, socketPaths } from "../../store/index.ts";

/** A machine's place in a named network, from the start of its process to its end. */
export class NamedNetwork {
  readonly name: string;
  readonly #paths: Paths;
  readonly #membership: Membership;

  /** Joins. @throws SmolError `network.full`, `network.busy` */
  constructor(paths: Paths, name: string, machine: string) {
    this.name = name;
    this.#paths = paths;
    this.#membership = joinNamedNetwork(paths, name, machine, lanHosts);
  }

  /** The machine's own address in the network. */
  get address(): string {
    return lanAddress(this.#membership.number);
  }

  /** @param name in lower case, as it was asked for */
  addressOf(name: string): string | undefined {
    const member = networkMembers(this.#paths, this.name).find(
      ({ machine }) => machine.toLowerCase() === name,
    );
    return member && lanAddress(member.number);
  }

  /** See `NetworkOptions.lan`. */
  options(onFlow: LanOptions["onFlow"]): LanOptions {
    const { name, address } = this;
    const socketOf = (machine: string) => socketPaths(this.#paths, machine).lan;
    const find = (address: string) => {
      const member = networkMembers(this.#paths, name).find(({ number }) => lanAddress(number) === address);
      return member && socketOf(member.machine);
    };
    return { name, address, socketPath: socketOf(this.#membership.machine), find, onFlow };
  }

  /** See `Membership`. */
  get removals(): readonly Removal[] {
    return this.#membership.removals;
  }

  close(): void {
    this.#membership.leave();
  }
}
