import { errnoOf, messageOf, SmolError } from "../errors.ts";
import { forwardTcp } from "./forward/tcp.ts";
import { UdpForwards } from "./forward/udp.ts";
import { descriptorLimit } from "./host/descriptors.ts";
import { EchoTable } from "./icmp/echo.ts";
import { answerSolicitation } from "./icmp/neighbours.ts";
import { Packet, Protocol, readIpv4, readIpv6 } from "./ip/packet.ts";
import { Reassembly } from "./ip/reassembly.ts";
import { Judge } from "./judge.ts";
import { isLanAddress } from "./lan/address.ts";
import { Lan } from "./lan/lan.ts";
import { ETHERNET_HEADER, roomFor } from "./limits.ts";
import { Link } from "./link/link.ts";
import { openOutbound } from "./tcp/outbound.ts";
import { TcpTable } from "./tcp/table.ts";
import { type Forward, type Network, type NetworkOptions, network, type Published } from "./types.ts";
import { UdpTable } from "./udp/table.ts";
import { addressIs, parseAddress, short } from "./wire/address.ts";
import { answerArp } from "./wire/arp.ts";
import { EtherType, gatewayMac, guestMac } from "./wire/ethernet.ts";

const guest = parseAddress(network.guest);
const gateway = parseAddress(network.gateway);
const guest6 = parseAddress(network.guest6);
const gateway6 = parseAddress(network.gateway6);
const ends = { gateway, guest };

/**
 * Starts the network of one machine: listens for its card. Frames go up from here: Ethernet, IP, then what each protocol
 * is in its own folder.
 *
 * @throws the error of bind(2) or listen(2) for the socket
 */
export function startNetwork(options: NetworkOptions): Network {
  return new Gateway(options);
}

class Gateway implements Network {
  readonly #link: Link;
  readonly #ipv6: boolean;
  readonly #packet = new Packet();
  readonly #reassembly = new Reassembly();
  readonly #tcp: TcpTable;
  readonly #udp: UdpTable;
  readonly #echo: EchoTable;
  readonly #udpForwards: UdpForwards;
  readonly #published = new Set<Published>();
  readonly #lan: Lan | undefined;
  #closed = false;

  constructor({ socketPath, policy, resolver, ipv6, lan, onTrouble = () => {} }: NetworkOptions) {
    this.#ipv6 = ipv6;
    this.#link = new Link(socketPath, {
      onFrame: (bytes, start, end) => this.#onFrame(bytes, start, end),
      onBatch: () => this.#tcp.acknowledge(),
      onGone: () => this.#endFlows(),
      onTrouble,
    });
    const { output } = this.#link;
    const judge = new Judge(policy, onTrouble);
    const { connections, udpFlows, echoFlows } = roomFor(descriptorLimit());
    const countAbandoned = (connecting: Promise<unknown>) => this.#tcp.countAbandoned(connecting);
    const outbound = { output, judge, resolver, countAbandoned };
    this.#tcp = new TcpTable(output, connections, {
      onConnection: (connection, incoming) => openOutbound(outbound, connection, incoming),
    });
    this.#udp = new UdpTable(output, udpFlows, judge, resolver);
    this.#echo = new EchoTable(output, echoFlows, judge);
    this.#udpForwards = new UdpForwards(output, ends);
    this.#lan = lan && new Lan(lan, output);
  }

  #onFrame(bytes: Uint8Array, start: number, end: number): void {
    // Nobody but the guest and the gateway is on this wire.
    if (end - start < ETHERNET_HEADER || !addressIs(bytes, start + 6, guestMac)) return;
    const type = short(bytes, start + 12);
    const at = start + ETHERNET_HEADER;
    if (type === EtherType.arp) {
      answerArp(this.#link.output, bytes, start, end, (at) => this.#isAnswered(bytes, at));
    } else if (type === EtherType.ipv4 && addressIs(bytes, start, gatewayMac)) {
      if (readIpv4(this.#packet, bytes, at, end)) this.#onIpv4(this.#packet);
    } else if (type === EtherType.ipv6 && this.#ipv6) {
      if (readIpv6(this.#packet, bytes, at, end)) this.#onIpv6(this.#packet);
    }
  }

  /** Whether the gateway's MAC is the answer to who has an address: its own, or another member's of a named network. */
  #isAnswered(bytes: Uint8Array, at: number): boolean {
    if (addressIs(bytes, at, gateway)) return true;
    return this.#lan !== undefined && isLanAddress(bytes, at) && !addressIs(bytes, at, this.#lan.own);
  }

  #onIpv4(packet: Packet): void {
    const isLan = this.#lan !== undefined && isLanAddress(packet.bytes, packet.destination);
    const source = isLan ? this.#lan.own : guest;
    if (!addressIs(packet.bytes, packet.source, source)) return;
    if (packet.fragmentOffset > 0 || packet.moreFragments) {
      const whole = this.#reassembly.add(packet);
      if (whole === undefined || !readIpv4(packet, whole, 0, whole.length)) return;
    }
    if (isLan) this.#lan.send(packet);
    else this.#onPacket(packet, gateway);
  }

  #onIpv6(packet: Packet): void {
    const { bytes } = packet;
    if (packet.protocol === Protocol.icmp6 && answerSolicitation(this.#link.output, packet, gateway6)) return;
    if (addressIs(bytes, packet.source, guest6)) this.#onPacket(packet, gateway6);
  }

  /** A whole packet of the guest's own. */
  #onPacket(packet: Packet, own: Uint8Array): void {
    // Multicast, and what lies above: nobody is there. Broadcasts go to no gateway's MAC.
    const first = packet.bytes[packet.destination] as number;
    if (first === 0xff || (packet.version === 4 && first >= 224)) return;
    switch (packet.protocol) {
      case Protocol.tcp:
        this.#tcp.onPacket(packet);
        return;
      case Protocol.udp:
        if (!this.#udpForwards.onPacket(packet)) this.#udp.onPacket(packet);
        return;
      case Protocol.icmp:
      case Protocol.icmp6:
        if ((packet.protocol === Protocol.icmp) === (packet.version === 4))
          this.#echo.onPacket(packet, addressIs(packet.bytes, packet.destination, own));
        return;
      default:
    }
  }

  async publish(forward: Forward): Promise<Published> {
    const { protocol, hostAddress: address, hostPort, guestPort } = forward;
    const host = { address, port: hostPort };
    try {
      const listener =
        protocol === "tcp"
          ? forwardTcp(this.#tcp, ends, host, guestPort)
          : await this.#udpForwards.publish(host, guestPort);
      if (this.#closed) {
        listener.close();
        throw new SmolError("port.failed", "the machine's network is closed");
      }
      const published: Published = {
        ...forward,
        hostPort: listener.port,
        close: () => {
          this.#published.delete(published);
          listener.close();
        },
      };
      this.#published.add(published);
      return published;
    } catch (error) {
      if (error instanceof SmolError) throw error;
      throw publishFailure(forward, error);
    }
  }

  /** The guest is gone; another one knows nothing of them. */
  #endFlows(): void {
    this.#tcp.close();
    this.#udp.close();
    this.#echo.close();
    this.#udpForwards.close();
  }

  close(): void {
    this.#closed = true;
    for (const published of [...this.#published]) published.close();
    this.#endFlows();
    this.#lan?.close();
    this.#link.close();
  }
}

function publishFailure({ hostAddress, hostPort, protocol }: Forward, error: unknown): SmolError {
  const where = `${hostAddress.includes(":") ? `[${hostAddress}]` : hostAddress}:${hostPort}/${protocol}`;
  switch (errnoOf(error)) {
    case "EADDRINUSE":
      return new SmolError("port.in_use", `port ${where} of this host is already in use`, {
        hint: "choose another host port, or 0 for any that is free",
      });
    case "EACCES":
    case "EPERM":
      return new SmolError("port.not_allowed", `this user may not listen on ${where}`, {
        hint: "ports below 1024 are for root as a rule; choose a higher one",
      });
    case "EADDRNOTAVAIL":
      return new SmolError("port.failed", `${hostAddress} is no address of this host`);
    default:
      return new SmolError("port.failed", `cannot listen on ${where}: ${messageOf(error)}`);
  }
}
