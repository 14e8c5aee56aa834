import type { Lookup } from "../../../net/dns/index.ts";
import type { Gatekeeper } from "../../../net/policy/index.ts";
import type {
  DeniedFlow,
  Flow,
  FlowDecision,
  FlowEnd,
  FlowPolicy,
  Inspection,
  LanOptions,
} from "../../../net/types.ts";
import { type EgressEntry, type EgressLog, type EgressOperation, MEMBER_RULE } from "../../logs/index.ts";

const OPERATIONS: Readonly<Record<Flow["protocol"], EgressOperation>> = {
  tcp: "connect",
  udp: "udp",
  icmp: "ping",
};

/** A machine's policy, and the log of what it has decided. Without a log, of a throw-away machine, it only decides. */
export class AuditedPolicy implements FlowPolicy {
  readonly #gatekeeper: Gatekeeper;
  readonly #log: EgressLog | undefined;

  constructor(gatekeeper: Gatekeeper, log: EgressLog | undefined) {
    this.#gatekeeper = gatekeeper;
    this.#log = log;
  }

  decide(flow: Flow): FlowDecision {
    const decision = this.#gatekeeper.decide({ protocol: flow.protocol, ...flow.destination });
    this.#add(OPERATIONS[flow.protocol], flow, decision);
    return decision;
  }

  inspect(flow: Flow, bytes: Uint8Array, ended: boolean): Inspection {
    const result = this.#gatekeeper.inspect({ protocol: flow.protocol, ...flow.destination }, bytes, ended);
    if (typeof result !== "string") this.#deny(flow, result);
    return result;
  }

  closed(flow: Flow, decision: FlowDecision, { sent, received, durationMs, how, error }: FlowEnd): void {
    if (!decision.allow) return;
    this.#add("close", flow, decision, {
      ...{ protocol: flow.protocol, sent, received, end: how, error, durationMs: Math.round(durationMs) },
    });
  }

  /** What the guest begins with another member of its named network: that is always allowed. */
  toMember({ protocol, ...destination }: Parameters<LanOptions["onFlow"]>[0], network: string): void {
    const flow = { protocol, source: { address: "", port: 0 }, destination };
    this.#add(OPERATIONS[protocol], flow, {
      allow: true,
      target: destination,
      rule: `${MEMBER_RULE}${network}`,
    });
  }

  /** See `NameServiceOptions.onLookup`. */
  looked({ name, type, decision, rcode, addresses }: Lookup): void {
    this.#log?.add({
      time: Date.now(),
      operation: "lookup",
      destination: name,
      decision: decision.allow ? "allow" : "deny",
      rule: decision.rule,
      ...{ type, rcode, ...(addresses.length > 0 && { addresses: addresses.slice(0, 64) }) },
    });
  }

  #deny(flow: Flow, decision: DeniedFlow): void {
    this.#add(OPERATIONS[flow.protocol], flow, decision);
  }

  #add(
    operation: EgressOperation,
    flow: Flow,
    decision: FlowDecision,
    more: Partial<EgressEntry> = {},
  ): void {
    // What is asked of our own resolver is in the log by its name.
    if (this.#log === undefined || (decision.allow && decision.target === "resolver")) return;
    const { address, port } = flow.destination;
    const name = this.#gatekeeper.nameOf(address);
    this.#log.add({
      time: Date.now(),
      operation,
      destination: flow.protocol === "icmp" ? address : endpoint(address, port),
      decision: decision.allow ? "allow" : "deny",
      rule: decision.rule,
      ...(name !== undefined && { name }),
      ...more,
    });
  }
}

const endpoint = (address: string, port: number) =>
  address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
