import type { NetCard } from "../../../engine/index.ts";
import { SmolError } from "../../../errors.ts";
import type { Guest } from "../../../guest/index.ts";
import { NameService } from "../../../net/dns/index.ts";
import {
  type Flow,
  type FlowPolicy,
  hostHasIpv6,
  MTU,
  type Network,
  network,
  startNetwork,
} from "../../../net/index.ts";
import { BadRule, type Destination, Gatekeeper, readPolicy } from "../../../net/policy/index.ts";
import type { PortSpec } from "../../model/index.ts";
import type { NetworkPlan, StartOrder } from "../../plan/index.ts";
import { listenInRuntimeDirectory, socketPaths } from "../../store/index.ts";
import { configureGuest } from "./guest.ts";

/** The network of a machine while its process runs: one stack, whichever of the machine's VMs is connected to it. */
export class MachineNetwork {
  /** For the VM. */
  readonly card: NetCard;
  readonly #network: Network;
  readonly #ipv6 = hostHasIpv6();

  /** @throws SmolError `machine.bad_network`: a policy that cannot be read is none */
  constructor({ paths, record }: StartOrder, plan: NetworkPlan) {
    const socketPath = socketPaths(paths, record.name).network;
    this.card = { socket: socketPath, mac: network.guestMac };
    const gatekeeper = new Gatekeeper(policyOf(plan));
    const ipv6 = this.#ipv6;
    const resolver = new NameService({
      ...{ gatekeeper, ipv6, names: new Map(plan.names) },
      servers: plan.servers.length > 0 ? plan.servers : undefined,
    });
    this.#network = listenInRuntimeDirectory(paths, () =>
      startNetwork({ socketPath, policy: guarded(gatekeeper), resolver, ipv6 }),
    );
  }

  /**
   * Listens on ports of the host's.
   *
   * @returns where they are: a port 0 has become one that was free
   * @throws SmolError `port.in_use`, `port.not_allowed`, `port.failed`
   */
  async publish(ports: readonly PortSpec[]): Promise<PortSpec[]> {
    const published: PortSpec[] = [];
    for (const { address, host, guest, protocol } of ports) {
      const forward = { protocol, hostAddress: address, hostPort: host, guestPort: guest };
      const { hostPort } = await this.#network.publish(forward);
      published.push({ address, host: hostPort, guest, protocol });
    }
    return published;
  }

  /** Gives the guest of a VM that has just started its addresses. @throws SmolError `machine.network_failed` */
  async configure(guest: Guest): Promise<void> {
    await configureGuest(guest, MTU, this.#ipv6);
  }

  close(): void {
    this.#network.close();
  }
}

function policyOf(plan: NetworkPlan): ReturnType<typeof readPolicy> {
  try {
    return readPolicy(plan.policy);
  } catch (error) {
    if (error instanceof BadRule) throw new SmolError("machine.bad_network", error.message);
    throw error;
  }
}

function guarded(gatekeeper: Gatekeeper): FlowPolicy {
  return {
    decide: (flow) => gatekeeper.decide(destinationOf(flow)),
    inspect: (flow, bytes, ended) => gatekeeper.inspect(destinationOf(flow), bytes, ended),
    closed() {},
  };
}

const destinationOf = ({ protocol, destination }: Flow): Destination => ({ protocol, ...destination });
