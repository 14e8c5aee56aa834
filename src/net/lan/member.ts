import type { Packet } from "../ip/packet.ts";
import { Protocol } from "../ip/packet.ts";
import { Path } from "../ip/path.ts";
import { ETHERNET_HEADER, MTU } from "../limits.ts";
import { type ByteSink, Output } from "../link/output.ts";
import type { AddressBytes } from "../wire/address.ts";
import { finishSum } from "../wire/checksum.ts";

/** Where TCP and UDP have their checksums (RFC 9293 section 3.1, RFC 768), and ICMP (RFC 792). */
const CHECKSUM_AT: Readonly<Record<number, number>> = {
  [Protocol.tcp]: 16,
  [Protocol.udp]: 6,
  [Protocol.icmp]: 2,
};

/** The way to another member: a connection to its machine's process, and what waits for it. */
export class Member implements ByteSink {
  /** As much as a guest's own card has; what does not fit is lost, and sent again by who needs it. */
  readonly #output = new Output();
  readonly #paths = new Map<number, Path>();
  readonly #own: AddressBytes;
  readonly #to: AddressBytes;
  #socket: Bun.Socket<undefined> | undefined;
  #closed = false;

  /**
   * Connects, and says who is there.
   *
   * @param greeting the first frame
   * @param onGone the connection has ended, or never was
   */
  constructor(
    socketPath: string,
    greeting: Uint8Array,
    own: AddressBytes,
    to: AddressBytes,
    onGone: () => void,
  ) {
    this.#own = own;
    this.#to = to;
    this.#output.connect(this);
    const at = this.#output.begin();
    this.#output.bytes.set(greeting, at);
    this.#output.commit(greeting.length);
    const gone = () => {
      this.#socket = undefined;
      this.#output.connect(undefined);
      if (!this.#closed) onGone();
      this.#closed = true;
    };
    void Bun.connect<undefined>({
      unix: socketPath,
      socket: {
        open: (socket) => {
          if (this.#closed) return void socket.terminate();
          this.#socket = socket;
          this.#output.flush();
        },
        drain: () => this.#output.flush(),
        // Nothing comes this way: the other member's packets have a connection of their own.
        data: (socket) => void socket.terminate(),
        close: gone,
        error: () => {},
        connectError: gone,
      },
    }).catch(gone);
  }

  /** For `Output`: before the connection is there, nothing is taken. */
  write(bytes: Uint8Array<ArrayBuffer>): number {
    return this.#socket?.write(bytes) ?? 0;
  }

  /**
   * Sends a packet of the guest's on, as a frame for the other guest. Its headers are made anew, and its checksum is
   * taken: the guest's card may have left that to us.
   */
  send({ bytes, start, end, protocol }: Packet): void {
    const path = this.#pathOf(protocol);
    const length = end - start;
    // Only what somebody's card has put together, or what came in fragments, is larger than the other guest's card takes.
    if (path.headerLength - ETHERNET_HEADER + length > MTU) return;
    const output = this.#output;
    const at = output.begin();
    if (at < 0) return;
    path.write(output, at, length);
    const body = at + path.headerLength;
    output.bytes.set(bytes.subarray(start, end), body);
    const sumAt = body + (CHECKSUM_AT[protocol] as number);
    output.view.setUint16(sumAt, 0);
    const sum =
      protocol === Protocol.icmp
        ? finishSum(output.memory.add(0, body, body + length))
        : path.checksum(output, body, body + length);
    // Of UDP a zero would mean that there is none (RFC 768).
    output.view.setUint16(sumAt, sum === 0 && protocol === Protocol.udp ? 0xffff : sum);
    output.commit(path.headerLength + length);
  }

  #pathOf(protocol: number): Path {
    const known = this.#paths.get(protocol);
    if (known !== undefined) return known;
    const path = new Path(this.#own, this.#to, protocol);
    this.#paths.set(protocol, path);
    return path;
  }

  close(): void {
    this.#closed = true;
    this.#socket?.terminate();
  }
}
