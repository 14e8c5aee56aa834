/**
 * What the network asks of whoever uses it. The stack carries packets and decides nothing: each new flow of the guest's
 * is put to a `FlowPolicy`, each question about a name to a `Resolver`. It knows no machines, rules, names or files.
 *
 * Addresses are text: dotted quads, or IPv6 as in RFC 5952. They are as the guest wrote them into its packets: an
 * IPv4-mapped (`::ffff:127.0.0.1`) or NAT64 address is for the policy to see through.
 */

/** The addresses of every machine's network (each machine has one of its own, with nobody else on it). */
export const network = {
  guest: "100.96.0.2",
  gateway: "100.96.0.1",
  /** Both are in 100.96.0.0/30. */
  prefix: 30,
  /** Only where the host has IPv6; unique local addresses (RFC 4193). */
  guest6: "fd00:53:4d::2",
  gateway6: "fd00:53:4d::1",
  prefix6: 64,
  guestMac: "02:53:4d:00:00:02",
  gatewayMac: "02:53:4d:00:00:01",
} as const;

export type FlowProtocol = "tcp" | "udp" | "icmp";

export interface Endpoint {
  readonly address: string;
  /** 0 for icmp. */
  readonly port: number;
}

/** A flow that the guest has begun. The stack uses one object for a flow from `decide` to `closed`. */
export interface Flow {
  readonly protocol: FlowProtocol;
  /** The guest's own address is always the one it was given: packets with another are dropped before. */
  readonly source: Endpoint;
  /** Where the guest wants to go. */
  readonly destination: Endpoint;
}

/** Where an allowed flow goes: to a place that the host reaches, or to the `Resolver`, whichever address was asked. */
export type FlowTarget = Endpoint | "resolver";

export interface AllowedFlow {
  readonly allow: true;
  /**
   * Not always the destination: of the gateway's address it may be the host's loopback. `resolver` for the gateway's
   * port 53, and for any other port 53 whose questions are not to leave unseen (UDP and TCP).
   */
  readonly target: FlowTarget;
  /** What decided, for the audit log; the stack does not look at it. */
  readonly rule: string;
  /** TCP: nothing of what the guest sends goes on until `inspect` has passed it. */
  readonly inspect?: boolean | undefined;
}

export interface DeniedFlow {
  readonly allow: false;
  /**
   * What the guest sees. `refuse`: a reset for TCP, "administratively prohibited" for UDP and ICMP, at once. `drop`:
   * nothing at all.
   */
  readonly how: "refuse" | "drop";
  readonly rule: string;
}

export type FlowDecision = AllowedFlow | DeniedFlow;

/** `more`: not enough bytes yet. The stack has a limit for that, and refuses what is still undecided there. */
export type Inspection = "more" | "pass" | DeniedFlow;

/** How a flow ended, and what it moved. */
export interface FlowEnd {
  /** Payload bytes from the guest to the target; in a denied flow 0. */
  readonly sent: number;
  /** Payload bytes to the guest. */
  readonly received: number;
  /** Milliseconds since the flow was decided. */
  readonly durationMs: number;
  /**
   * `closed`: in order, by idleness for UDP. `denied`: by `decide` or `inspect`. `unreachable`: the host could not
   * connect (`error` says why). `reset`: by one of the two sides. `stopped`: with the machine.
   */
  readonly how: "closed" | "denied" | "unreachable" | "reset" | "stopped";
  /** The host's error, e.g. `ECONNREFUSED`. */
  readonly error?: string | undefined;
}

/** Decides about each flow of the guest's. Errors that it throws deny the flow. */
export interface FlowPolicy {
  /**
   * Asked once for each new flow, before anything of it leaves. A synchronous answer saves a turn; while an
   * asynchronous one is awaited the flow counts among the open ones, and more packets of it wait or are lost.
   */
  decide(flow: Flow): FlowDecision | Promise<FlowDecision>;
  /**
   * Asked for flows that were allowed with `inspect`: all the guest has sent so far, at most `INSPECTED_BYTES`. The
   * bytes are the stack's: copy what is kept.
   *
   * @param ended the guest has ended its side: nothing more comes
   */
  inspect(flow: Flow, bytes: Uint8Array, ended: boolean): Inspection;
  /** Told once for each flow that `decide` was asked about, when it is over. `decision` is what was last decided. */
  closed(flow: Flow, decision: FlowDecision, end: FlowEnd): void;
}

/** Most bytes that `inspect` sees: a ClientHello with post-quantum key shares is 2 KiB, HTTP headers are below 16. */
export const INSPECTED_BYTES = 16 * 1024;

/** Answers questions about names. */
export interface Resolver {
  /**
   * @param query one DNS message (RFC 1035) of the guest's, not checked in any way; without the length that TCP has
   * @returns the answer, without the length; undefined: none (the question is dropped, a TCP connection ends). Longer
   *   than UDP allows for is the resolver's to truncate (TC)
   */
  resolve(query: Uint8Array, transport: "udp" | "tcp"): Promise<Uint8Array | undefined>;
}

/** A port of the host's whose connections go to a port of the guest's. */
export interface Forward {
  readonly protocol: "tcp" | "udp";
  /** Of the host, e.g. `127.0.0.1`, `0.0.0.0`, `::1`. */
  readonly hostAddress: string;
  /** 0: any that is free. */
  readonly hostPort: number;
  readonly guestPort: number;
}

/** A forward that listens. */
export interface Published extends Forward {
  /** Stops listening; what is connected stays. */
  close(): void;
}

/** A named network, which the guest shares with those of other machines. */
export interface LanOptions {
  readonly name: string;
  /** The guest's own address there (`lanAddress`); it has it beside `network.guest`. */
  readonly address: string;
  /** Unix stream socket on which other members' packets are taken; made with mode 0600. */
  readonly socketPath: string;
  /** The socket of the member that has an address now; undefined: nobody has it. */
  find(address: string): string | undefined;
  /** Told of what the guest begins with another member; `port` is 0 for icmp. */
  onFlow(flow: { readonly protocol: FlowProtocol } & Endpoint): void;
}

export interface NetworkOptions {
  /** Unix stream socket on which the stack listens for the VMM's network card; made with mode 0600. */
  readonly socketPath: string;
  readonly policy: FlowPolicy;
  readonly resolver: Resolver;
  /** Whether the guest gets an IPv6 address: the host has a route itself. */
  readonly ipv6: boolean;
  readonly lan?: LanOptions | undefined;
  /** Gets errors that should not have been: of the policy, or of the stack. What they were about is dropped. */
  readonly onTrouble?: ((error: unknown) => void) | undefined;
}

/** The network of one machine, while it runs. */
export interface Network {
  /**
   * Listens on a port of the host's. Nobody touches the guest before a client comes.
   *
   * @throws SmolError `port.in_use`, `port.not_allowed` (a privileged port), `port.failed`
   */
  publish(forward: Forward): Promise<Published>;
  /** Ends everything; open flows are told `stopped`. */
  close(): void;
}
