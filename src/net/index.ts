/** The network of a machine: a user-mode TCP/IP stack under a policy (docs/design/network.md). */
export { hostHasIpv6 } from "./host/ipv6.ts";
export { lanAddress, lanHosts, lanPrefix } from "./lan/address.ts";
export { MTU } from "./limits.ts";
export { startNetwork } from "./network.ts";
export type {
  AllowedFlow,
  DeniedFlow,
  Endpoint,
  Flow,
  FlowDecision,
  FlowEnd,
  FlowPolicy,
  FlowProtocol,
  FlowTarget,
  Forward,
  Inspection,
  LanOptions,
  Network,
  NetworkOptions,
  Published,
  Resolver,
} from "./types.ts";
export { INSPECTED_BYTES, network } from "./types.ts";
