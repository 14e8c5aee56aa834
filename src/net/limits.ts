/** How much the network of one machine may have. Each limit is what a busy guest needs, several times over. */

/**
 * Bytes of an IP packet towards the guest. As large as passt's: a multiple of four below 64 KiB, so that each copy,
 * checksum and trip through the VMM is for 64 KiB instead of 1500 bytes.
 */
export const MTU = 65_520;

/** IP's own limit; offloads of a VMM's card may send what is larger than the MTU. */
export const MAX_PACKET = 65_535;
/** An Ethernet header without VLAN. */
export const ETHERNET_HEADER = 14;
export const MAX_FRAME = ETHERNET_HEADER + MAX_PACKET;

/** What is read of a client before the guest has accepted its connection: a request that is here when it has. */
export const EARLY_BYTES = 16 * 1024;

/** Open TCP connections, in both directions together; more are refused. A browser has some hundred. */
export const MAX_CONNECTIONS = 16_384;
export const MAX_UDP_FLOWS = 4096;

export const MAX_ECHO_FLOWS = 256;
/** Sockets for questions to the host's servers. */
export const MAX_QUESTION_SOCKETS = 512;

/**
 * Descriptors that are not for what the guest opens: the machine's process has clients, logs and disks, and two
 * connections with each of the 63 other members of a named network.
 */
const OTHER_DESCRIPTORS = 384;

export interface Room {
  readonly connections: number;
  readonly udpFlows: number;
  readonly echoFlows: number;
  readonly questionSockets: number;
}

/** How much of each there may be in a process that may open so many descriptors: never all of them are the guest's. */
export function roomFor(descriptors: number): Room {
  const free = descriptors - Math.min(OTHER_DESCRIPTORS, descriptors / 2);
  const part = (share: number, most: number) => Math.min(most, Math.max(1, Math.floor(free * share)));
  return {
    connections: part(0.65, MAX_CONNECTIONS),
    udpFlows: part(0.2, MAX_UDP_FLOWS),
    echoFlows: part(0.02, MAX_ECHO_FLOWS),
    questionSockets: part(0.13, MAX_QUESTION_SOCKETS),
  };
}

/** Bytes on their way, of all connections together. The less is left of it, the less each of them may have. */
export const BUFFER_BUDGET = 128 * 1024 * 1024;
/** Bytes on their way to the guest, of one connection. */
export const MAX_SEND_BUFFER = 1024 * 1024;
/** Window that the guest gets at first, and at most as it proves to need it. */
export const FIRST_WINDOW = 64 * 1024 - 1;
export const MAX_WINDOW = 1024 * 1024;

/** How long deciding and connecting may take; the guest's own patience is two minutes, and so is most kernels'. */
export const CONNECT_LIMIT_MS = 130_000;

/** UDP: how long a flow stays without a packet, once both sides have sent (RFC 4787, REQ-5), and before. */
export const UDP_IDLE_MS = 120_000;
export const UDP_UNANSWERED_MS = 30_000;
/** Datagrams that wait while a flow is decided and its socket made. */
export const UDP_WAITING = 16;
/** Their bytes, of all flows together. */
export const UDP_WAITING_BYTES = 8 * 1024 * 1024;
export const ECHO_IDLE_MS = 10_000;

/** Questions about names under way. */
export const MAX_QUESTIONS = 512;

/** IPv4 packets that are being put together, and how long the parts of one may take (RFC 1122 says 60 s at least). */
export const MAX_REASSEMBLIES = 16;
export const REASSEMBLY_MS = 15_000;
