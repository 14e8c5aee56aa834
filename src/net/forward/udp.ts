import { sendDatagram, UDP_HEADER } from "../ip/datagram.ts";
import { type Packet, Protocol } from "../ip/packet.ts";
import { Path } from "../ip/path.ts";
import { MAX_UDP_FLOWS, UDP_IDLE_MS } from "../limits.ts";
import type { Output } from "../link/output.ts";
import { Deadline } from "../timer.ts";
import { addressIs, short } from "../wire/address.ts";
import type { Ends } from "./tcp.ts";

const FIRST_PORT = 49_152;
const PORTS = 65_536 - FIRST_PORT;

/** A client of a published UDP port, to the guest a port of the gateway's. */
interface Client {
  readonly port: number;
  readonly guestPort: number;
  readonly send: (bytes: Uint8Array) => void;
  readonly idle: Deadline;
  /** Its port is another's from now on. */
  readonly onGone: () => void;
}

/** Clients of all published UDP ports of a machine. */
export class UdpForwards {
  readonly #output: Output;
  readonly #ends: Ends;
  readonly #path: Path;
  readonly #clients = new Map<number, Client>();
  #nextPort = Math.floor(Math.random() * PORTS);

  constructor(output: Output, ends: Ends) {
    this.#output = output;
    this.#ends = ends;
    this.#path = new Path(ends.gateway, ends.guest, Protocol.udp);
  }

  /**
   * Listens on a port of the host's.
   *
   * @throws an error with the code of bind(2)
   */
  async publish(
    host: { readonly address: string; readonly port: number },
    guestPort: number,
  ): Promise<{ readonly port: number; close(): void }> {
    const known = new Map<string, Client>();
    const socket = await Bun.udpSocket({
      hostname: host.address,
      port: host.port,
      socket: {
        data: (socket, bytes, port, address) => {
          const key = `${port} ${address}`;
          let client = known.get(key);
          if (client === undefined) {
            const reply = (data: Uint8Array) => void socket.send(data, port, address);
            client = this.#admit(guestPort, reply, () => known.delete(key));
            if (client === undefined) return;
            known.set(key, client);
          }
          client.idle.set(UDP_IDLE_MS);
          sendDatagram(this.#output, this.#path, client.port, guestPort, bytes);
        },
        // A client that has gone; others go on.
        error() {},
      },
    });
    return { port: socket.port, close: () => socket.close() };
  }

  #admit(guestPort: number, send: (bytes: Uint8Array) => void, onGone: () => void): Client | undefined {
    if (this.#clients.size >= MAX_UDP_FLOWS) return undefined;
    let port = 0;
    do port = FIRST_PORT + (this.#nextPort++ % PORTS);
    while (this.#clients.has(port));
    const idle = new Deadline(() => {
      this.#clients.delete(port);
      onGone();
    });
    const client = { port, guestPort, send, idle, onGone };
    this.#clients.set(port, client);
    return client;
  }

  /** A datagram of the guest's to the gateway. @returns whether it was an answer to one of the clients */
  onPacket(packet: Packet): boolean {
    const { bytes, start, end } = packet;
    if (end - start < UDP_HEADER || !addressIs(bytes, packet.destination, this.#ends.gateway)) return false;
    const client = this.#clients.get(short(bytes, start + 2));
    const length = short(bytes, start + 4);
    if (client?.guestPort !== short(bytes, start) || length < UDP_HEADER || start + length > end)
      return false;
    client.idle.set(UDP_IDLE_MS);
    try {
      client.send(bytes.subarray(start + UDP_HEADER, start + length));
    } catch {
      // Its port was closed, or the client's way is gone: datagrams may be lost.
    }
    return true;
  }

  /** Forgets all clients; who sends again is a new one. */
  close(): void {
    for (const { idle, onGone } of this.#clients.values()) {
      idle.stop();
      onGone();
    }
    this.#clients.clear();
  }
}
