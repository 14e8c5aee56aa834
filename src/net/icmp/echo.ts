import { errnoOf } from "../../errors.ts";
import { type HostPing, openPing } from "../host/ping.ts";
import { type Packet, Protocol } from "../ip/packet.ts";
import { Path } from "../ip/path.ts";
import type { Judge } from "../judge.ts";
import { ECHO_IDLE_MS, MAX_PACKET } from "../limits.ts";
import type { Output } from "../link/output.ts";
import { Deadline } from "../timer.ts";
import type { Flow, FlowEnd } from "../types.ts";
import { addressKey, formatAddress, short } from "../wire/address.ts";
import { sendIcmp, sendUnreachable, Unreachable } from "./errors.ts";

const HEADER = 8;
/** Echo request and reply: RFC 792, RFC 4443. */
const TYPES = { 4: { request: 8, reply: 0 }, 6: { request: 128, reply: 129 } } as const;

/** What ping asks. Of ICMP, nothing else of the guest's goes anywhere. */
export class EchoTable {
  readonly #output: Output;
  readonly #most: number;
  readonly #judge: Judge;
  readonly #flows = new Map<string, EchoFlow>();

  /** @param most flows at once */
  constructor(output: Output, most: number, judge: Judge) {
    this.#output = output;
    this.#most = most;
    this.#judge = judge;
  }

  /** @param own the packet is for the gateway, which answers itself */
  onPacket(packet: Packet, own: boolean): void {
    const { bytes, start, end, version } = packet;
    if (end - start < HEADER || bytes[start] !== TYPES[version].request || bytes[start + 1] !== 0) return;
    if (own) {
      const path = pathOf(packet);
      sendIcmp(this.#output, path, replyHeader(packet), bytes.subarray(start + HEADER, end));
      return;
    }
    const key = `${short(bytes, start + 4)} ${addressKey(bytes, packet.destination, packet.addressLength)}`;
    let flow = this.#flows.get(key);
    if (flow === undefined) {
      if (this.#flows.size >= this.#most) return;
      flow = new EchoFlow(this.#output, packet, () => this.#flows.delete(key));
      this.#flows.set(key, flow);
      flow.begin(this.#judge).catch(this.#judge.onTrouble);
    }
    flow.fromGuest(packet);
  }

  close(): void {
    for (const flow of [...this.#flows.values()]) flow.close("stopped");
  }
}

const pathOf = (packet: Packet): Path =>
  new Path(
    packet.copyAddress(packet.destination),
    packet.copyAddress(packet.source),
    packet.version === 4 ? Protocol.icmp : Protocol.icmp6,
  );

/** Of a reply to this request: same identifier and number. */
function replyHeader({ bytes, start, version }: Packet): Uint8Array {
  return Uint8Array.from([TYPES[version].reply, 0, 0, 0, ...bytes.subarray(start + 4, start + HEADER)]);
}

class EchoFlow {
  readonly #output: Output;
  readonly #path: Path;
  readonly #flow: Flow;
  readonly #identifier: readonly [number, number];
  readonly #quote: Uint8Array<ArrayBuffer>;
  readonly #onOver: () => void;
  readonly #idle = new Deadline(() => this.close("closed"));
  #first: Uint8Array<ArrayBuffer> | undefined;
  #far: HostPing | undefined;
  #refused = false;
  #denied = false;
  #tell: ((end: Omit<FlowEnd, "durationMs">) => void) | undefined;
  /** How it ended, once it has. */
  #end: Omit<FlowEnd, "durationMs"> | undefined;
  #sent = 0;
  #received = 0;

  constructor(output: Output, packet: Packet, onOver: () => void) {
    this.#output = output;
    this.#path = pathOf(packet);
    this.#identifier = [packet.bytes[packet.start + 4] as number, packet.bytes[packet.start + 5] as number];
    this.#quote = packet.quote();
    this.#onOver = onOver;
    const endpoint = (at: number) => ({ address: formatAddress(packet.copyAddress(at)), port: 0 });
    this.#flow = {
      protocol: "icmp",
      source: endpoint(packet.source),
      destination: endpoint(packet.destination),
    };
  }

  async begin(judge: Judge): Promise<void> {
    this.#idle.set(ECHO_IDLE_MS);
    const judged = judge.decide(this.#flow);
    const { decision, tell } = judged instanceof Promise ? await judged : judged;
    this.#tell = tell;
    if (this.#end !== undefined) {
      tell(decision.allow ? this.#end : { ...this.#end, how: "denied" });
      return;
    }
    if (!decision.allow || decision.target === "resolver") {
      this.#denied = true;
      this.#refuse(decision.allow || decision.how === "refuse" ? Unreachable.prohibited : undefined);
      return;
    }
    try {
      const far = await openPing(decision.target.address, (message) => this.#onReply(message));
      if (this.#end !== undefined) {
        far.close();
        return;
      }
      this.#far = far;
      if (this.#first !== undefined) this.#send(this.#first);
      this.#first = undefined;
    } catch (error) {
      const code = errnoOf(error) ?? "EIO";
      this.#refuse(code === "EACCES" || code === "EPERM" ? Unreachable.prohibited : Unreachable.host);
      this.#tell?.({ how: "unreachable", error: code, sent: 0, received: 0 });
    }
  }

  #refuse(why: Unreachable | undefined): void {
    this.#refused = true;
    this.#first = undefined;
    if (why !== undefined) sendUnreachable(this.#output, this.#quote, why);
  }

  fromGuest(packet: Packet): void {
    if (this.#refused) return;
    const message = new Uint8Array(packet.bytes.subarray(packet.start, packet.end));
    if (this.#far === undefined) this.#first = message;
    else this.#send(message);
  }

  #send(message: Uint8Array<ArrayBuffer>): void {
    this.#sent += message.length - HEADER;
    this.#idle.set(ECHO_IDLE_MS);
    this.#far?.send(message);
  }

  #onReply(message: Uint8Array): void {
    const { version } = this.#path;
    if (this.#end !== undefined || message.length < HEADER || message.length > MAX_PACKET - 40) return;
    if (message[0] !== TYPES[version].reply || message[1] !== 0) return;
    this.#received += message.length - HEADER;
    const header = [
      TYPES[version].reply,
      0,
      0,
      0,
      ...this.#identifier,
      message[6] as number,
      message[7] as number,
    ];
    sendIcmp(this.#output, this.#path, header, message.subarray(HEADER));
  }

  close(how: FlowEnd["how"]): void {
    if (this.#end !== undefined) return;
    const ended = this.#denied ? "denied" : how;
    this.#end = { how: ended, sent: this.#sent, received: this.#received };
    this.#idle.stop();
    this.#far?.close();
    this.#onOver();
    this.#tell?.(this.#end);
  }
}
