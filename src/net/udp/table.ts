import { errnoOf } from "../../errors.ts";
import { Budget } from "../budget.ts";
import { ask } from "../host/dns-stream.ts";
import { connectUdp, type DatagramUser, type HostDatagrams } from "../host/udp.ts";
import { sendUnreachable, Unreachable } from "../icmp/errors.ts";
import { sendDatagram, UDP_HEADER } from "../ip/datagram.ts";
import { type Packet, Protocol } from "../ip/packet.ts";
import { Path } from "../ip/path.ts";
import type { Judge } from "../judge.ts";
import { UDP_IDLE_MS, UDP_UNANSWERED_MS, UDP_WAITING, UDP_WAITING_BYTES } from "../limits.ts";
import type { Output } from "../link/output.ts";
import { Deadline } from "../timer.ts";
import type { Flow, FlowDecision, FlowEnd, Resolver } from "../types.ts";
import { addressKey, formatAddress, short } from "../wire/address.ts";

/** All UDP flows that the guest has begun: one for each pair of its ports and far ends. */
export class UdpTable {
  readonly #output: Output;
  readonly #most: number;
  readonly #judge: Judge;
  readonly #resolver: Resolver;
  readonly #flows = new Map<string, UdpFlow>();
  readonly #waiting = new Budget(UDP_WAITING_BYTES, UDP_WAITING_BYTES);

  /** @param most flows at once */
  constructor(output: Output, most: number, judge: Judge, resolver: Resolver) {
    this.#output = output;
    this.#most = most;
    this.#judge = judge;
    this.#resolver = resolver;
  }

  get size(): number {
    return this.#flows.size;
  }

  /** Of datagrams whose flows are not there yet. */
  get waitingBytes(): number {
    return this.#waiting.used;
  }

  onPacket(packet: Packet): void {
    const { bytes, start } = packet;
    if (packet.end - start < UDP_HEADER) return;
    const length = short(bytes, start + 4);
    if (length < UDP_HEADER || start + length > packet.end) return;
    const guestPort = short(bytes, start);
    const remotePort = short(bytes, start + 2);
    if (guestPort === 0 || remotePort === 0) return;
    const address = addressKey(bytes, packet.destination, packet.addressLength);
    const key = `${guestPort} ${remotePort} ${address}`;
    let flow = this.#flows.get(key);
    if (flow === undefined) {
      if (this.#flows.size >= this.#most) return;
      flow = new UdpFlow(this.#output, this.#waiting, packet, guestPort, remotePort, () =>
        this.#flows.delete(key),
      );
      this.#flows.set(key, flow);
      flow.begin(this.#judge, this.#resolver).catch(this.#judge.onTrouble);
    }
    flow.fromGuest(bytes.subarray(start + UDP_HEADER, start + length));
  }

  close(): void {
    for (const flow of [...this.#flows.values()]) flow.close("stopped");
  }
}

class UdpFlow implements DatagramUser {
  readonly #output: Output;
  readonly #path: Path;
  readonly #guestPort: number;
  readonly #remotePort: number;
  readonly #flow: Flow;
  /** The start of its first packet, for ICMP. */
  readonly #quote: Uint8Array<ArrayBuffer>;
  readonly #onOver: () => void;
  readonly #idle = new Deadline(() => this.close("closed"));
  /** Pays for what waits. */
  readonly #budget: Budget;
  /** What came before the far end was there. */
  #waiting: Uint8Array[] | undefined = [];
  #far: Pick<HostDatagrams, "send" | "close"> | undefined;
  #tell: ((end: Omit<FlowEnd, "durationMs">) => void) | undefined;
  #denied: "refuse" | "drop" | undefined;
  /** How it ended, once it has. */
  #end: Omit<FlowEnd, "durationMs"> | undefined;
  #sent = 0;
  #received = 0;

  constructor(
    output: Output,
    budget: Budget,
    packet: Packet,
    guestPort: number,
    remotePort: number,
    onOver: () => void,
  ) {
    const guest = packet.copyAddress(packet.source);
    const remote = packet.copyAddress(packet.destination);
    this.#output = output;
    this.#budget = budget;
    this.#path = new Path(remote, guest, Protocol.udp);
    this.#guestPort = guestPort;
    this.#remotePort = remotePort;
    this.#quote = packet.quote();
    this.#onOver = onOver;
    this.#flow = {
      protocol: "udp",
      source: { address: formatAddress(guest), port: guestPort },
      destination: { address: formatAddress(remote), port: remotePort },
    };
  }

  async begin(judge: Judge, resolver: Resolver): Promise<void> {
    this.#idle.set(UDP_UNANSWERED_MS);
    const judged = judge.decide(this.#flow);
    const { decision, tell } = judged instanceof Promise ? await judged : judged;
    this.#tell = tell;
    if (this.#end !== undefined) {
      tell(decision.allow ? this.#end : { ...this.#end, how: "denied" });
      return;
    }
    try {
      if (decision.allow) await this.#connect(decision, resolver);
      else this.#deny(decision.how);
    } catch (error) {
      const code = errnoOf(error) ?? "EIO";
      this.onError(code);
      // Without a socket nothing comes of it, and what waits would wait in vain.
      this.close("unreachable", code);
    }
  }

  async #connect({ target }: FlowDecision & { allow: true }, resolver: Resolver): Promise<void> {
    const far = target === "resolver" ? this.#answering(resolver) : await connectUdp(target, this);
    if (this.#end !== undefined) {
      far.close();
      return;
    }
    this.#far = far;
    for (const bytes of this.#takeWaiting()) this.#send(bytes);
  }

  /** What waits, for the last time. */
  #takeWaiting(): readonly Uint8Array[] {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    this.#budget.give(waiting.reduce((sum, bytes) => sum + bytes.length, 0));
    return waiting;
  }

  /** Questions about names, answered by ourselves. */
  #answering(resolver: Resolver): HostDatagrams {
    return {
      send: (bytes) =>
        void ask(resolver, new Uint8Array(bytes), "udp").then((answer) => {
          if (answer !== undefined) this.onDatagram(answer);
        }),
      close() {},
    };
  }

  /** A flow that was denied stays for a while: whoever goes on sending hears the same, and is not asked about again. */
  #deny(how: "refuse" | "drop"): void {
    this.#denied = how;
    const asked = this.#takeWaiting().length > 0;
    if (how === "refuse" && asked) this.#refuse(Unreachable.prohibited);
  }

  #refuse(why: Unreachable): void {
    sendUnreachable(this.#output, this.#quote, why);
  }

  /** @param bytes valid until this returns */
  fromGuest(bytes: Uint8Array): void {
    if (this.#denied === "refuse") this.#refuse(Unreachable.prohibited);
    if (this.#denied !== undefined) return;
    if (this.#far !== undefined) this.#send(bytes);
    else this.#keep(bytes);
  }

  #keep(bytes: Uint8Array): void {
    const waiting = this.#waiting;
    if (waiting === undefined || waiting.length >= UDP_WAITING || bytes.length > this.#budget.share) return;
    waiting.push(new Uint8Array(bytes));
    this.#budget.take(bytes.length);
  }

  #send(bytes: Uint8Array): void {
    this.#sent += bytes.length;
    this.#idle.set(this.#received > 0 ? UDP_IDLE_MS : UDP_UNANSWERED_MS);
    this.#far?.send(bytes);
  }

  onDatagram(bytes: Uint8Array): void {
    if (this.#end !== undefined) return;
    this.#received += bytes.length;
    this.#idle.set(UDP_IDLE_MS);
    sendDatagram(this.#output, this.#path, this.#remotePort, this.#guestPort, bytes);
  }

  onError(code: string): void {
    if (this.#end !== undefined) return;
    if (code === "ECONNREFUSED") {
      // The flow stays: the other side may begin to listen.
      this.#refuse(Unreachable.port);
      return;
    }
    if (!UNREACHABLE.has(code)) return;
    this.#refuse(Unreachable.host);
  }

  close(how: FlowEnd["how"], error?: string): void {
    if (this.#end !== undefined) return;
    const ended = this.#denied === undefined ? how : "denied";
    this.#end = { how: ended, error, sent: this.#sent, received: this.#received };
    this.#idle.stop();
    this.#far?.close();
    this.#takeWaiting();
    this.#onOver();
    this.#tell?.(this.#end);
  }
}

const UNREACHABLE = new Set([
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EADDRNOTAVAIL",
  "EACCES",
  "EINVAL",
  "EAFNOSUPPORT",
]);
