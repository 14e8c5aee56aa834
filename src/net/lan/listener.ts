import { chmodSync, rmSync } from "node:fs";
import { removeIfAllowed } from "../../host/index.ts";
import { Packet, readIpv4 } from "../ip/packet.ts";
import { ETHERNET_HEADER } from "../limits.ts";
import { FrameReader } from "../link/frames.ts";
import type { Output } from "../link/output.ts";
import { type AddressBytes, addressIs } from "../wire/address.ts";
import { readGreeting } from "./greeting.ts";
import { passesBetweenMembers } from "./passes.ts";

/** Another member's connection to us. */
interface Held {
  readonly frames: FrameReader;
  /** Undefined: it has not said who it is. */
  member: AddressBytes | undefined;
}

/**
 * Where other members' packets come in. What they send was checked when their own guests sent it; here it is held
 * against who sent it once more, since what lies behind is a guest. While the guest's card takes nothing, nothing is
 * read: the sender has a limit, and loses what is above it.
 */
export class LanListener {
  readonly #path: string;
  readonly #listener: { stop(closeActive?: boolean): void };
  readonly #packet = new Packet();

  /**
   * Listens.
   *
   * @param guest where packets for the guest go
   * @throws the error of listen(2)
   */
  constructor(path: string, network: string, own: AddressBytes, guest: Output) {
    this.#path = path;
    rmSync(path, { force: true });
    const onFrame = (socket: Bun.Socket<Held>, bytes: Uint8Array, start: number, end: number) => {
      const { member } = socket.data;
      if (member !== undefined) this.#deliver(member, own, guest, bytes, start, end);
      else {
        socket.data.member = readGreeting(bytes.subarray(start, end), network);
        if (socket.data.member === undefined) socket.terminate();
      }
    };
    this.#listener = Bun.listen<Held>({
      unix: path,
      socket: {
        open: (socket) => {
          const frames = new FrameReader((bytes, start, end) => onFrame(socket, bytes, start, end));
          socket.data = { frames, member: undefined };
        },
        data: (socket, chunk) => {
          if (!socket.data.frames.push(chunk)) return void socket.terminate();
          if (guest.hasRoom) return;
          socket.pause();
          guest.whenRoom(() => socket.resume());
        },
        error: () => {},
      },
    });
    chmodSync(path, 0o600);
  }

  #deliver(
    from: AddressBytes,
    own: AddressBytes,
    guest: Output,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const packet = this.#packet;
    if (!readIpv4(packet, bytes, start + ETHERNET_HEADER, end)) return;
    if (!addressIs(bytes, packet.source, from) || !addressIs(bytes, packet.destination, own)) return;
    if (packet.moreFragments || packet.fragmentOffset > 0 || !passesBetweenMembers(packet)) return;
    const at = guest.begin();
    if (at < 0) return;
    guest.bytes.set(bytes.subarray(start, end), at);
    guest.commit(end - start);
  }

  close(): void {
    this.#listener.stop(true);
    removeIfAllowed(this.#path);
  }
}
