import { Budget } from "../budget.ts";
import type { Packet } from "../ip/packet.ts";
import { Protocol } from "../ip/packet.ts";
import { Path } from "../ip/path.ts";
import { BUFFER_BUDGET, MAX_SEND_BUFFER } from "../limits.ts";
import type { Output } from "../link/output.ts";
import { type AddressBytes, type AddressKey, addressKey } from "../wire/address.ts";
import { Connection } from "./connection.ts";
import { Flag, Segment, sendBare } from "./segment.ts";
import type { TcpContext, TcpEnd } from "./types.ts";

/** An address with which the guest has connections, or had some lately. */
interface Peer {
  readonly path: Path;
  readonly address: AddressBytes;
  /** By both ports: the guest's times 65536, plus the other. */
  readonly connections: Map<number, Connection>;
}

/** A new connection of the guest's, whose SYN is held until it is decided. */
export interface Incoming {
  readonly source: AddressBytes;
  readonly sourcePort: number;
  readonly destination: AddressBytes;
  readonly destinationPort: number;
  /** The start of its packet, for ICMP. */
  readonly quote: Uint8Array<ArrayBuffer>;
}

export interface TableEvents {
  /** @returns who is told how it ended */
  onConnection(connection: Connection, incoming: Incoming): (end: TcpEnd) => void;
}

/** All TCP connections of the guest, and the answers to segments that belong to none. */
export class TcpTable implements TcpContext {
  readonly output: Output;
  readonly budget = new Budget(BUFFER_BUDGET, MAX_SEND_BUFFER);
  readonly #most: number;
  readonly #events: TableEvents;
  readonly #peers = new Map<AddressKey, Peer>();
  readonly #segment = new Segment();
  readonly #due: Connection[] = [];
  #size = 0;
  /** Connects that go on for connections that are over. */
  #abandoned = 0;
  /** Where the search for a port of ours goes on. */
  #nextPort = FIRST_PORT + Math.floor(Math.random() * PORTS);

  /** @param most connections at once */
  constructor(output: Output, most: number, events: TableEvents) {
    this.output = output;
    this.#most = most;
    this.#events = events;
  }

  get size(): number {
    return this.#size;
  }

  get #hasRoom(): boolean {
    return this.#size + this.#abandoned < this.#most;
  }

  /**
   * Counts a connect of a connection that is over until it settles: nothing can end connect(2) before the kernel does,
   * and it has its descriptor so long.
   */
  countAbandoned(connecting: Promise<unknown>): void {
    this.#abandoned++;
    const settled = () => void this.#abandoned--;
    connecting.then(settled, settled);
  }

  /** A segment from the guest. */
  onPacket(packet: Packet): void {
    const segment = this.#segment;
    if (!segment.read(packet)) return;
    const key = addressKey(packet.bytes, packet.destination, packet.addressLength);
    const peer = this.#peers.get(key);
    const found = peer?.connections.get(segment.guestPort * 65536 + segment.remotePort);
    const opens = segment.has(Flag.syn) && !segment.has(Flag.ack) && !segment.has(Flag.reset);
    // The guest uses the ports again: it has forgotten the old one, and so do we.
    if (found?.isLingering && opens) found.abort(undefined);
    else if (found !== undefined) {
      found.onSegment(segment);
      return;
    }
    if (opens && this.#hasRoom) this.#begin(packet, segment);
    else this.#refuse(packet, segment);
  }

  #begin(packet: Packet, segment: Segment): void {
    const source = packet.copyAddress(packet.source);
    const destination = packet.copyAddress(packet.destination);
    const { guestPort, remotePort } = segment;
    const incoming = {
      ...{ source, sourcePort: guestPort, destination, destinationPort: remotePort },
      quote: packet.quote(),
    };
    let onOver: ((end: TcpEnd) => void) | undefined;
    const connection = this.#add(source, destination, guestPort, remotePort, (end) => onOver?.(end));
    connection.begin(segment);
    onOver = this.#events.onConnection(connection, incoming);
  }

  /**
   * A connection to the guest, from a free port of ours; `dial` starts it.
   *
   * @returns undefined: there are too many
   */
  connect(
    from: AddressBytes,
    to: AddressBytes,
    port: number,
    onOver: (end: TcpEnd) => void,
  ): Connection | undefined {
    if (!this.#hasRoom) return undefined;
    const used = this.#peers.get(addressKey(from, 0, from.length))?.connections;
    for (let tries = 0; tries < PORTS; tries++) {
      const ours = FIRST_PORT + (this.#nextPort++ % PORTS);
      if (!used?.has(port * 65536 + ours)) return this.#add(to, from, port, ours, onOver);
    }
    return undefined;
  }

  #add(
    guest: AddressBytes,
    remote: AddressBytes,
    guestPort: number,
    remotePort: number,
    onOver: (end: TcpEnd) => void,
  ): Connection {
    const key = addressKey(remote, 0, remote.length);
    let peer = this.#peers.get(key);
    if (peer === undefined) {
      peer = { path: new Path(remote, guest, Protocol.tcp), address: remote, connections: new Map() };
      this.#peers.set(key, peer);
    }
    const place = { path: peer.path, remote: key, guestPort, remotePort };
    const connection = new Connection(this, place, onOver);
    peer.connections.set(guestPort * 65536 + remotePort, connection);
    this.#size++;
    return connection;
  }

  forget({ place: { remote, guestPort, remotePort } }: Connection): void {
    const connections = this.#peers.get(remote)?.connections;
    if (!connections?.delete(guestPort * 65536 + remotePort)) return;
    this.#size--;
    if (connections.size === 0 && this.#peers.size > KEPT_PEERS) this.#peers.delete(remote);
  }

  acknowledgeSoon(connection: Connection): void {
    if (connection.acknowledging) return;
    connection.acknowledging = true;
    this.#due.push(connection);
  }

  /** All that came together has been looked at: one acknowledgement for each connection, unless data has taken it along. */
  acknowledge(): void {
    for (const connection of this.#due) if (connection.acknowledging) connection.sendAcknowledgement();
    this.#due.length = 0;
  }

  /** What belongs to no connection is reset (RFC 9293, section 3.10.7.1). */
  #refuse(packet: Packet, segment: Segment): void {
    if (segment.has(Flag.reset)) return;
    const path = new Path(
      packet.copyAddress(packet.destination),
      packet.copyAddress(packet.source),
      Protocol.tcp,
    );
    const acknowledges = segment.has(Flag.ack);
    sendBare(this.output, path, {
      remotePort: segment.remotePort,
      guestPort: segment.guestPort,
      sequence: acknowledges ? segment.acknowledged : 0,
      acknowledged: acknowledges ? 0 : (segment.sequence + segment.length) >>> 0,
      flags: acknowledges ? Flag.reset : Flag.reset | Flag.ack,
      window: 0,
    });
  }

  /** Ends all of them. */
  close(): void {
    for (const peer of [...this.#peers.values()])
      for (const connection of [...peer.connections.values()]) connection.abort(undefined, "stopped");
  }
}

/** So many may have no connection just now: making a path anew for each costs a tenth of a short connection. */
const KEPT_PEERS = 64;
/** IANA's dynamic ports. */
const FIRST_PORT = 49_152;
const PORTS = 65_536 - FIRST_PORT;
