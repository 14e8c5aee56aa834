import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type FlowDecision,
  type FlowEnd,
  type FlowPolicy,
  type LanOptions,
  type Network,
  network,
} from "./index.ts";
import { startNetwork } from "./network.ts";
import { parseAddress, short, word } from "./wire/address.ts";
import { addBytes, finishSum } from "./wire/checksum.ts";
import { gatewayMac, guestMac } from "./wire/ethernet.ts";

/** Addresses for documentation: the policies of these tests lead them to loopback. */
export const FAR = parseAddress("203.0.113.1");
export const FAR6 = parseAddress("2001:db8::1");
export const GATEWAY = parseAddress(network.gateway);

/** Sockets and files that this process has open. */
export const descriptors = (): number => readdirSync("/proc/self/fd").length;

export function ipv4(
  destination: Uint8Array,
  protocol: number,
  data: Uint8Array,
  source: Uint8Array = parseAddress(network.guest),
): Uint8Array<ArrayBuffer> {
  const header = Buffer.alloc(20);
  header.set([0x45]);
  header.writeUInt16BE(20 + data.length, 2);
  header.set([64, protocol], 8);
  header.set(source, 12);
  header.set(destination, 16);
  header.writeUInt16BE(finishSum(addBytes(0, header, 0, 20)), 10);
  return ethernet(0x0800, header, data);
}

export function ipv6(destination: Uint8Array, next: number, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const header = Buffer.alloc(40);
  header.set([0x60]);
  header.writeUInt16BE(data.length, 4);
  header.set([next, 64], 6);
  header.set(parseAddress(network.guest6), 8);
  header.set(destination, 24);
  return ethernet(0x86dd, header, data);
}

function ethernet(type: number, ...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const header = Uint8Array.from([...gatewayMac, ...guestMac, type >> 8, type & 255]);
  return new Uint8Array(Buffer.concat([header, ...parts]));
}

/** Headers with destination options (RFC 8200, section 4.6). @param size a multiple of 8 */
export function extensions(last: number, size: number): Uint8Array {
  const headers: Uint8Array[] = [];
  for (let left = size; left > 0; ) {
    const header = new Uint8Array(Math.min(2048, left));
    left -= header.length;
    header.set([left === 0 ? last : 60, header.length / 8 - 1]);
    headers.push(header);
  }
  return Buffer.concat(headers);
}

export function udp(from: number, to: number, data: Uint8Array): Uint8Array {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(from, 0);
  header.writeUInt16BE(to, 2);
  header.writeUInt16BE(8 + data.length, 4);
  return Buffer.concat([header, data]);
}

export const Bits = { fin: 1, syn: 2, reset: 4, ack: 16 } as const;

export interface TcpFields {
  readonly from: number;
  readonly to: number;
  readonly sequence: number;
  readonly acknowledged?: number | undefined;
  readonly flags: number;
  readonly window?: number | undefined;
  readonly data?: Uint8Array | undefined;
}

export function tcp(fields: TcpFields): Uint8Array {
  const { from, to, sequence, acknowledged = 0, flags, window = 0xffff, data = new Uint8Array(0) } = fields;
  const header = Buffer.alloc(20);
  header.writeUInt16BE(from, 0);
  header.writeUInt16BE(to, 2);
  header.writeUInt32BE(sequence >>> 0, 4);
  header.writeUInt32BE(acknowledged >>> 0, 8);
  header.set([0x50, flags], 12);
  header.writeUInt16BE(window, 14);
  return Buffer.concat([header, data]);
}

/** A segment that came to the guest over IPv4. */
export interface SeenSegment {
  readonly from: number;
  readonly to: number;
  readonly sequence: number;
  readonly acknowledged: number;
  readonly flags: number;
  readonly data: Uint8Array;
}

function segmentOf(frame: Uint8Array): SeenSegment | undefined {
  if (short(frame, 12) !== 0x0800 || frame[23] !== 6) return undefined;
  return {
    from: short(frame, 34),
    to: short(frame, 36),
    sequence: word(frame, 38),
    acknowledged: word(frame, 42),
    flags: frame[47] as number,
    data: frame.subarray(34 + ((frame[46] as number) >>> 4) * 4),
  };
}

export interface BareGuestOptions {
  /** Default: to the same port of 127.0.0.1, port 53 to the resolver, port 666 refused. */
  readonly decide?: FlowPolicy["decide"] | undefined;
  readonly resolve?: ((query: Uint8Array) => Promise<Uint8Array | undefined>) | undefined;
  readonly lan?: LanOptions | undefined;
}

/** A guest that writes its frames by hand, and a stack in this process. */
export class BareGuest {
  readonly stack: Network;
  /** What the guest got, in order. */
  readonly frames: Uint8Array[] = [];
  readonly troubles: unknown[] = [];
  readonly ended: { readonly decision: FlowDecision; readonly end: FlowEnd }[] = [];
  readonly #directory = mkdtempSync(join(tmpdir(), "smolvm-net-"));
  #card: Bun.Socket<undefined> | undefined;
  #news = Promise.withResolvers<void>();
  #room = Promise.withResolvers<void>();

  private constructor({ decide = toLoopback, resolve = async (query) => query, lan }: BareGuestOptions) {
    this.stack = startNetwork({
      socketPath: join(this.#directory, "net"),
      ipv6: true,
      lan,
      policy: {
        decide,
        inspect: () => "pass",
        closed: (_, decision, end) => void this.ended.push({ decision, end }),
      },
      onTrouble: (error) => void this.troubles.push(error),
      resolver: { resolve },
    });
  }

  static async start(options: BareGuestOptions = {}): Promise<BareGuest> {
    const guest = new BareGuest(options);
    await guest.connect();
    return guest;
  }

  /** A new card: another VM of the same machine. */
  async connect(): Promise<void> {
    let pending = Buffer.alloc(0);
    this.#card = await Bun.connect({
      unix: join(this.#directory, "net"),
      socket: {
        data: (_, chunk) => {
          pending = Buffer.concat([pending, chunk]);
          while (pending.length >= 4 && pending.length >= 4 + pending.readUInt32BE(0)) {
            this.frames.push(Uint8Array.from(pending.subarray(4, 4 + pending.readUInt32BE(0))));
            pending = pending.subarray(4 + pending.readUInt32BE(0));
          }
          this.#news.resolve();
          this.#news = Promise.withResolvers();
        },
        drain: () => {
          this.#room.resolve();
          this.#room = Promise.withResolvers();
        },
      },
    });
  }

  /** From now on its card takes nothing. */
  stopReading(): void {
    this.#card?.pause();
  }

  async send(...frames: readonly Uint8Array[]): Promise<void> {
    for (const frame of frames) {
      const prefix = Buffer.alloc(4);
      prefix.writeUInt32BE(frame.length);
      for (let rest: Uint8Array = Buffer.concat([prefix, frame]); ; ) {
        rest = rest.subarray(Math.max(0, this.#card?.write(rest) ?? 0));
        if (rest.length === 0) break;
        await this.#room.promise;
      }
    }
  }

  /** Waits for what the frames so far say. */
  async until<T>(look: () => T | undefined | false): Promise<T> {
    for (;;) {
      const found = look();
      if (found !== undefined && found !== false) return found;
      await this.#news.promise;
    }
  }

  segments(): SeenSegment[] {
    return this.frames.map(segmentOf).filter((segment) => segment !== undefined);
  }

  /** The next segment to a port of the guest's that is as wanted, among those from a place on. */
  segment(port: number, wanted: (segment: SeenSegment) => boolean, since = 0): Promise<SeenSegment> {
    return this.until(() => {
      for (const frame of this.frames.slice(since)) {
        const segment = segmentOf(frame);
        if (segment?.to === port && wanted(segment)) return segment;
      }
      return undefined;
    });
  }

  /** Everything that was sent before has been looked at: the gateway answers an echo in order. */
  async settled(): Promise<void> {
    const since = this.frames.length;
    await this.send(ipv4(GATEWAY, 1, Uint8Array.from([8, 0, 0, 0, 0, 1, 0, 1])));
    await this.until(() => this.frames.slice(since).some((frame) => frame[23] === 1 && frame[34] === 0));
  }

  /** Opens a connection. @returns where our data begins, and theirs */
  async open(
    from: number,
    to: number,
    destination: Uint8Array = FAR,
  ): Promise<{ ours: number; theirs: number }> {
    await this.send(ipv4(destination, 6, tcp({ from, to, sequence: 1000, flags: Bits.syn })));
    const answer = await this.segment(from, ({ flags }) => flags === (Bits.syn | Bits.ack));
    return { ours: 1001, theirs: answer.sequence + 1 };
  }

  close(): void {
    this.#card?.terminate();
    this.stack.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function toLoopback({ destination: { port } }: Parameters<FlowPolicy["decide"]>[0]): FlowDecision {
  if (port === 53) return { allow: true, target: "resolver", rule: "dns" };
  if (port === 666) return { allow: false, how: "refuse", rule: "test" };
  return { allow: true, target: { address: "127.0.0.1", port }, rule: "test" };
}
