import type { Removal } from "../../../confine/index.ts";
import type { NetCard } from "../../../engine/index.ts";
import { SmolError } from "../../../errors.ts";
import type { Guest } from "../../../guest/index.ts";
import { NameService } from "../../../net/dns/index.ts";
import { hostHasIpv6, MTU, type Network, network, type Published, startNetwork } from "../../../net/index.ts";
import { BadRule, Gatekeeper, readPolicy } from "../../../net/policy/index.ts";
import { type EgressLog, MEMBER_RULE } from "../../logs/index.ts";
import { formatPort, type PortSpec } from "../../model/index.ts";
import type { NetworkPlan, StartOrder } from "../../plan/index.ts";
import { listenInRuntimeDirectory, socketPaths } from "../../store/index.ts";
import { AuditedPolicy } from "./audited-policy.ts";
import { configureGuest } from "./guest.ts";
import { NamedNetwork } from "./named-network.ts";

/** A port as it was asked for, and as it is. */
interface Opened {
  readonly asked: PortSpec;
  readonly published: Published;
}

/** The network of a machine while its process runs: one stack, whichever of the machine's VMs is connected to it. */
export class MachineNetwork {
  /** For the VM. */
  readonly card: NetCard;
  readonly #network: Network;
  readonly #gatekeeper: Gatekeeper;
  readonly #resolver: NameService;
  #published: Opened[] = [];
  readonly #ipv6 = hostHasIpv6();
  readonly #named: NamedNetwork | undefined;

  /**
   * @param log of what the machine wants from the network; a throw-away one has none
   * @throws SmolError `machine.bad_network`: a policy that cannot be read is none; `network.full`, `network.busy`
   */
  constructor({ paths, record }: StartOrder, plan: NetworkPlan, log: EgressLog | undefined) {
    const socketPath = socketPaths(paths, record.name).network;
    this.card = { socket: socketPath, mac: network.guestMac };
    const gatekeeper = new Gatekeeper(policyOf(plan));
    this.#gatekeeper = gatekeeper;
    const policy = new AuditedPolicy(gatekeeper, log);
    const ipv6 = this.#ipv6;
    const named = plan.join === null ? undefined : new NamedNetwork(paths, plan.join, record.name);
    this.#named = named;
    this.#resolver = new NameService({
      ...{ gatekeeper, ipv6, names: new Map(plan.names) },
      servers: plan.servers.length > 0 ? plan.servers : undefined,
      member: named && ((name) => memberNamed(named, name)),
      onLookup: (lookup) => policy.looked(lookup),
    });
    // Only who sets SMOLVM_DEBUG reads it: a guest may cause as much of it as it likes.
    const onTrouble = (error: unknown) => console.error("network:", error);
    const lan = named?.options((flow) => policy.toMember(flow, named.name));
    this.#network = listenInRuntimeDirectory(paths, () =>
      startNetwork({ socketPath, policy, resolver: this.#resolver, ipv6, lan, onTrouble }),
    );
  }

  /**
   * Listens on ports of the host's.
   *
   * @returns where all are: a port 0 has become one that was free
   * @throws SmolError `port.in_use`, `port.not_allowed`, `port.failed`: then none of these is published
   */
  async publish(ports: readonly PortSpec[]): Promise<PortSpec[]> {
    const opened: Opened[] = [];
    try {
      for (const asked of ports) {
        const { address, host, guest, protocol } = asked;
        const forward = { protocol, hostAddress: address, hostPort: host, guestPort: guest };
        opened.push({ asked, published: await this.#network.publish(forward) });
      }
    } catch (error) {
      for (const { published } of opened) published.close();
      throw error;
    }
    this.#published.push(...opened);
    return this.#published.map(({ asked, published }) => ({ ...asked, host: published.hostPort }));
  }

  /**
   * From now on the machine reaches what another plan says, and has these ports; connections that are there stay.
   *
   * @throws SmolError as `publish`, `machine.bad_network`: then all is as it was
   */
  async change(plan: NetworkPlan, ports: readonly PortSpec[]): Promise<PortSpec[]> {
    const policy = policyOf(plan);
    const has = (list: readonly PortSpec[], port: PortSpec) =>
      list.some((other) => formatPort(other) === formatPort(port));
    const before = this.#published.map(({ asked }) => asked);
    // First, because another port of the guest's may take the place.
    this.#withdraw((port) => !has(ports, port));
    try {
      const now = await this.publish(ports.filter((port) => !has(before, port)));
      this.#gatekeeper.replace(policy);
      return now;
    } catch (error) {
      await this.publish(before.filter((port) => !has(ports, port))).catch(() => {});
      throw error;
    }
  }

  #withdraw(isGone: (port: PortSpec) => boolean): void {
    for (const { asked, published } of this.#published) if (isGone(asked)) published.close();
    this.#published = this.#published.filter(({ asked }) => !isGone(asked));
  }

  /** Gives the guest of a VM that has just started its addresses. @throws SmolError `machine.network_failed` */
  async configure(guest: Guest): Promise<void> {
    await configureGuest(guest, MTU, this.#ipv6, this.#named?.address);
  }

  /** What `close` removes beside the machine's sockets, for another process to do where this one may not any more. */
  get removals(): readonly Removal[] {
    return this.#named?.removals ?? [];
  }

  close(): void {
    this.#network.close();
    this.#resolver.close();
    this.#named?.close();
  }
}

function memberNamed(network: NamedNetwork, name: string): { address: string; rule: string } | undefined {
  const address = network.addressOf(name);
  return address === undefined ? undefined : { address, rule: `${MEMBER_RULE}${network.name}` };
}

function policyOf(plan: NetworkPlan): ReturnType<typeof readPolicy> {
  try {
    return readPolicy(plan.policy);
  } catch (error) {
    if (error instanceof BadRule) throw new SmolError("machine.bad_network", error.message);
    throw error;
  }
}
