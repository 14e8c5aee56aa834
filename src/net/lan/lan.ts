import { sendUnreachable, Unreachable } from "../icmp/errors.ts";
import { type Packet, Protocol } from "../ip/packet.ts";
import type { Output } from "../link/output.ts";
import type { FlowProtocol, LanOptions } from "../types.ts";
import { type AddressBytes, addressIs, formatAddress, parseAddress, short } from "../wire/address.ts";
import { lanHostOf } from "./address.ts";
import { writeGreeting } from "./greeting.ts";
import { LanListener } from "./listener.ts";
import { Member } from "./member.ts";
import { passesBetweenMembers } from "./passes.ts";

/** How long it is believed that nobody has an address: each look is one at files. */
const ABSENT_MS = 500;
/** A flow of UDP or echoes is told again after this time without a packet; see `UDP_IDLE_MS`. */
const TOLD_MS = 120_000;
/** Flows of which it is known that they were told. */
const MAX_TOLD = 1024;

const SYN = 2;
const SYN_OR_ACK = 0x12;

/**
 * The guest's place in a named network. There is no middle: each member's process has a connection to each other one
 * that its guest sends to, and gets theirs. What goes through are packets, so two guests' TCP speaks with each other.
 */
export class Lan {
  readonly own: AddressBytes;
  readonly #options: LanOptions;
  readonly #guest: Output;
  readonly #greeting: Uint8Array;
  readonly #listener: LanListener;
  /** By the last number of their addresses. */
  readonly #members = new Map<number, Member>();
  readonly #absent = new Map<number, number>();
  readonly #told = new Map<string, number>();

  /** Listens. @throws the error of listen(2) */
  constructor(options: LanOptions, guest: Output) {
    this.#options = options;
    this.#guest = guest;
    this.own = parseAddress(options.address);
    this.#greeting = writeGreeting(options.name, this.own);
    this.#listener = new LanListener(options.socketPath, options.name, this.own, guest);
  }

  /** Sends a whole packet of the guest's to the member that has its destination. */
  send(packet: Packet): void {
    if (!addressIs(packet.bytes, packet.source, this.own) || !passesBetweenMembers(packet)) return;
    const member = this.#memberAt(packet.copyAddress(packet.destination));
    if (member === undefined) {
      // No error is an answer to an error (RFC 1122, section 3.2.2).
      if (packet.protocol !== Protocol.icmp || packet.bytes[packet.start] === 8)
        sendUnreachable(this.#guest, packet.quote(), Unreachable.host);
      return;
    }
    this.#tell(packet);
    member.send(packet);
  }

  #memberAt(address: AddressBytes): Member | undefined {
    const host = lanHostOf(address);
    const known = this.#members.get(host);
    if (known !== undefined) return known;
    const now = performance.now();
    if (host === 0 || (this.#absent.get(host) ?? 0) > now) return undefined;
    const socketPath = this.#options.find(formatAddress(address));
    if (socketPath === undefined) {
      this.#absent.set(host, now + ABSENT_MS);
      return undefined;
    }
    const member = new Member(socketPath, this.#greeting, this.own, address, () => {
      if (this.#members.get(host) === member) this.#members.delete(host);
    });
    this.#members.set(host, member);
    return member;
  }

  /** Tells of a flow that the guest begins. */
  #tell({ bytes, protocol, start, destination }: Packet): void {
    const kind = kindOf(protocol);
    const address = () => formatAddress(bytes.subarray(destination, destination + 4));
    if (kind === "tcp") {
      if (((bytes[start + 13] as number) & SYN_OR_ACK) === SYN)
        this.#options.onFlow({ protocol: kind, address: address(), port: short(bytes, start + 2) });
      return;
    }
    // An answer to a ping, or an error, begins nothing.
    if (kind === "icmp" && bytes[start] !== 8) return;
    const port = kind === "icmp" ? 0 : short(bytes, start + 2);
    const key = `${bytes[destination + 3]} ${kind} ${port} ${kind === "icmp" ? 0 : short(bytes, start)}`;
    const now = performance.now();
    const until = this.#told.get(key) ?? 0;
    this.#told.delete(key);
    this.#told.set(key, now + TOLD_MS);
    if (until > now) return;
    const [oldest] = this.#told.keys();
    if (this.#told.size > MAX_TOLD && oldest !== undefined) this.#told.delete(oldest);
    this.#options.onFlow({ protocol: kind, address: address(), port });
  }

  close(): void {
    for (const member of this.#members.values()) member.close();
    this.#members.clear();
    this.#listener.close();
  }
}

function kindOf(protocol: number): FlowProtocol {
  if (protocol === Protocol.tcp) return "tcp";
  return protocol === Protocol.udp ? "udp" : "icmp";
}
