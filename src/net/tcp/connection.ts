import type { HostStream, HostStreamUser } from "../host/stream.ts";
import { CONNECT_LIMIT_MS, EARLY_BYTES, FIRST_WINDOW, MTU } from "../limits.ts";
import { Deadline } from "../timer.ts";
import { Receiver } from "./receiver.ts";
import { Flag, type Segment, sendBare, sendSegment, TCP_HEADER, writeHeader } from "./segment.ts";
import type { SendQueue } from "./send-queue.ts";
import { Sender } from "./sender.ts";
import { firstSequence } from "./sequence.ts";
import { Times } from "./times.ts";
import type { TcpContext, TcpEnd, TcpPlace } from "./types.ts";

type State = "connecting" | "syn-received" | "syn-sent" | "open" | "lingering" | "closed";

/** 128: enough for a window of 8 MiB. */
const OUR_SCALE = 7;
/** With less than this for each, sockets are read in turn. */
const LEAST_SHARE = 64 * 1024;

/** One TCP connection of the guest's (RFC 9293), between its segments and a stream of the host's. */
export class Connection implements HostStreamUser {
  readonly place: TcpPlace;
  /** An acknowledgement has been asked for. */
  acknowledging = false;
  readonly #context: TcpContext;
  readonly #onOver: (end: TcpEnd) => void;
  readonly #sender: Sender;
  readonly #receiver: Receiver;
  readonly #first = firstSequence();
  readonly #patience = new Deadline(() => this.#onPatience());
  #guestFirst = 0;
  #state: State = "connecting";
  #stream: HostStream | undefined;
  #paused = false;
  #hostClosed = false;
  #tries = 0;
  #ourScale = 0;
  #guestScale = 0;
  #guestMss = 0;
  #guestWindow = 0;
  #sent = 0;
  #received = 0;
  /** Our FIN went out before the guest's was here, and did not acknowledge it. */
  #endedFirst = false;
  #redialled = false;
  /** The host has reset the connection, and the guest has not got yet what came before. */
  #resetError: string | undefined;

  /** @param onOver called once */
  constructor(context: TcpContext, place: TcpPlace, onOver: (end: TcpEnd) => void) {
    this.place = place;
    this.#context = context;
    this.#onOver = onOver;
    const { output, budget } = context;
    this.#sender = new Sender(
      {
        emit: (at, length, flags, queue) => this.#emit(at, length, flags, queue),
        giveUp: () => this.abort("ETIMEDOUT"),
        onProgress: () => this.#onProgress(),
      },
      output,
      budget,
    );
    this.#receiver = new Receiver(
      { take: (bytes) => this.#take(bytes), onEnd: () => this.#stream?.end() },
      budget,
    );
  }

  /** Its ports may be used again. */
  get isLingering(): boolean {
    return this.#state === "lingering";
  }

  /** The guest's SYN: nothing is answered before `accept` or `refuse`. */
  begin(syn: Segment): void {
    this.#learn(syn);
    this.#patience.set(CONNECT_LIMIT_MS);
  }

  /** The host's side is there: SYN and ACK. */
  accept(stream: HostStream): void {
    if (this.#state !== "connecting") {
      stream.reset();
      return;
    }
    this.#stream = stream;
    this.#state = "syn-received";
    this.#sendSyn();
  }

  /** Connects to the guest. */
  dial(stream: HostStream): void {
    this.#stream = stream;
    this.#state = "syn-sent";
    this.#ourScale = OUR_SCALE;
    this.#sendSyn();
  }

  /** The host's side could not be reached, or must not be. @param silent the guest gets no reset */
  refuse(silent: boolean, error?: string): void {
    if (this.#state !== "connecting") return;
    if (!silent) this.#sendReset();
    this.#finish("unreachable", error);
  }

  /** Breaks it off on both sides. @param byGuest the guest has, and needs no reset */
  abort(error: string | undefined, how: TcpEnd["how"] = "reset", byGuest = false): void {
    if (this.#state === "closed") return;
    if (this.#state !== "lingering" && !byGuest) this.#sendReset();
    if (!this.#hostClosed) this.#stream?.reset();
    this.#hostClosed = true;
    this.#finish(how, error);
  }

  onSegment(segment: Segment): void {
    switch (this.#state) {
      case "connecting":
        if (segment.has(Flag.reset)) this.#finish("reset", undefined);
        return;
      case "syn-sent":
        this.#onAnswer(segment);
        return;
      case "syn-received":
        if (segment.has(Flag.syn) && !segment.has(Flag.reset)) this.#sendSyn();
        else if (segment.has(Flag.reset) || this.#ackPlace(segment) === 0) this.#onSynchronized(segment);
        return;
      default:
        this.#onSynchronized(segment);
    }
  }

  /** The guest answers our SYN (RFC 9293, section 3.10.7.3). */
  #onAnswer(segment: Segment): void {
    if (!segment.has(Flag.ack)) return;
    if (this.#ackPlace(segment) !== 0) {
      if (!segment.has(Flag.reset)) this.#dialAgain(segment);
      return;
    }
    if (segment.has(Flag.reset)) {
      this.#stream?.reset();
      this.#hostClosed = true;
      this.#finish("unreachable", "ECONNREFUSED");
    } else if (segment.has(Flag.syn)) {
      this.#learn(segment);
      this.#open();
      this.#context.acknowledgeSoon(this);
      this.#onProgress();
    }
  }

  /** For the guest, these ports are an older connection's: it forgets that one, and hears of ours at once. */
  #dialAgain(segment: Segment): void {
    const { guestPort, remotePort, path } = this.place;
    const answer = { guestPort, remotePort, sequence: segment.acknowledged, acknowledged: 0, window: 0 };
    sendBare(this.#context.output, path, { ...answer, flags: Flag.reset });
    if (this.#redialled) return;
    this.#redialled = true;
    this.#sendSyn();
  }

  #learn(syn: Segment): void {
    this.#guestFirst = syn.sequence;
    const headers = TCP_HEADER + this.place.path.headerLength - 14;
    this.#guestMss = Math.min(syn.mss, MTU - headers);
    this.#ourScale = syn.scale === undefined ? 0 : OUR_SCALE;
    this.#guestScale = syn.scale ?? 0;
    this.#guestWindow = syn.window;
  }

  #open(): void {
    this.#state = "open";
    this.#tries = 0;
    this.#patience.set(Times.keepaliveMs);
    this.#sender.open(this.#guestMss, this.#guestWindow);
    this.#sender.pump();
  }

  #onSynchronized(segment: Segment): void {
    const { length } = segment;
    const expected = this.#receiver.next;
    const place = expected + ((segment.sequence - this.#guestSequence(expected)) | 0);
    if (segment.has(Flag.reset)) {
      // Only the exact place counts; others are asked whether they mean it (RFC 5961, section 3.2).
      if (place === expected) this.abort(undefined, "reset", true);
      else this.sendAcknowledgement();
      return;
    }
    if (segment.has(Flag.syn)) {
      this.sendAcknowledgement();
      return;
    }
    if (!segment.has(Flag.ack)) return;
    if (this.#state === "syn-received") this.#open();
    this.#tries = 0;
    if (this.#state === "open")
      this.#patience.set(this.#resetError === undefined ? Times.keepaliveMs : Times.lastBytesMs);
    this.#sender.onAcknowledged(this.#ackPlace(segment), segment.window * 2 ** this.#guestScale, segment);
    if (length > 0) this.#onData(segment, place);
    // An old place and no data: the guest asks whether we are there.
    else if (place < expected) this.sendAcknowledgement();
    this.#check();
  }

  #onData(segment: Segment, place: number): void {
    const got = this.#receiver.receive(
      place,
      segment.bytes,
      segment.start,
      segment.end,
      segment.has(Flag.fin),
    );
    if (got === "taken") this.#context.acknowledgeSoon(this);
    // Each of these counts for the guest: three that are alike tell it what was lost.
    else this.sendAcknowledgement();
  }

  /** Whether it is over. */
  #check(): void {
    if (this.#state !== "open") return;
    if (this.#resetError !== undefined && this.#sender.isSent) {
      this.#sendReset();
      this.#finish("reset", this.#resetError);
      return;
    }
    if (!this.#receiver.hasEnded || !this.#sender.isDone) return;
    if (!this.#endedFirst) {
      this.#finish("closed", undefined);
      return;
    }
    this.sendAcknowledgement();
    this.#state = "lingering";
    this.#patience.set(Times.lingerMs);
    this.#tellOver("closed", undefined);
  }

  /** Acknowledges what has arrived, and says what may come. */
  sendAcknowledgement(): void {
    this.acknowledging = false;
    if (this.#state === "closed" || this.#state === "connecting") return;
    sendBare(this.#context.output, this.place.path, this.#header(this.#sender.next, Flag.ack));
  }

  #sendSyn(): void {
    const answer = this.#state === "syn-received";
    const { path, guestPort, remotePort } = this.place;
    const mss = MTU - TCP_HEADER - path.headerLength + 14;
    const scale = this.#ourScale > 0 ? [1, 3, 3, this.#ourScale] : [];
    const header = {
      ...{ guestPort, remotePort, sequence: this.#first },
      acknowledged: answer ? this.#guestSequence(0) : 0,
      flags: answer ? Flag.syn | Flag.ack : Flag.syn,
      window: FIRST_WINDOW,
    };
    sendBare(this.#context.output, path, header, [2, 4, mss >>> 8, mss & 0xff, ...scale]);
    this.#patience.set(Times.handshakeMs * 2 ** this.#tries);
  }

  #sendReset(): void {
    // Before the handshake there is nothing to reset but the guest's own SYN.
    const sequence = this.#state === "connecting" ? -1 - this.#first : this.#sender.next;
    sendBare(this.#context.output, this.place.path, this.#header(sequence, Flag.reset | Flag.ack));
  }

  #emit(at: number, length: number, flags: number, queue: SendQueue): void {
    const { output } = this.#context;
    const frame = output.begin();
    if (frame < 0) return;
    this.acknowledging = false;
    if ((flags & Flag.fin) !== 0 && !this.#receiver.hasFin) this.#endedFirst = true;
    const data = writeHeader(output, frame, this.place.path, this.#header(at, flags), length);
    if (length > 0) queue.copy(at, length, output.bytes, data);
    sendSegment(output, frame, this.place.path, length);
  }

  #header(at: number, flags: number) {
    const scale = this.#ourScale;
    return {
      remotePort: this.place.remotePort,
      guestPort: this.place.guestPort,
      sequence: (this.#first + 1 + at) >>> 0,
      acknowledged: this.#guestSequence(this.#receiver.next),
      flags,
      window: this.#receiver.offer(scale) / 2 ** scale,
    };
  }

  /** The sequence number of a place in the guest's stream. */
  #guestSequence(place: number): number {
    return (this.#guestFirst + 1 + place) >>> 0;
  }

  /** The place in our stream that a segment acknowledges; -1 is our SYN. */
  #ackPlace(segment: Segment): number {
    const base = this.#sender.acknowledged;
    return base + ((segment.acknowledged - ((this.#first + 1 + base) >>> 0)) | 0);
  }

  #take(bytes: Uint8Array<ArrayBuffer>): number {
    if (this.#hostClosed || this.#stream === undefined) return bytes.length;
    const taken = this.#stream.write(bytes);
    this.#sent += taken;
    return taken;
  }

  onData(bytes: Uint8Array): void {
    if (this.#state === "closed" || this.#state === "lingering" || bytes.length === 0) return;
    this.#received += bytes.length;
    this.#sender.push(bytes);
    const isFull = this.#state === "syn-sent" ? this.#received >= EARLY_BYTES : this.#sender.isFull;
    if (this.#paused || !isFull) return;
    this.#paused = true;
    this.#stream?.pause();
    // With nothing under way, nothing would wake it.
    if (this.#sender.isEmpty) this.#context.budget.whenFree(() => this.#onProgress());
  }

  onEnd(): void {
    this.#sender.end();
  }

  onDrain(): void {
    if (this.#state !== "open") return;
    if (this.#receiver.drain()) this.sendAcknowledgement();
    this.#check();
  }

  onClose(error: string | undefined): void {
    if (this.#hostClosed) return;
    this.#hostClosed = true;
    if (this.#state === "closed" || this.#state === "lingering") return;
    // Gone without an error, and without what the guest still had to say: for the guest that is a reset.
    const broken = error ?? (this.#receiver.hasEnded ? undefined : "ECONNRESET");
    if (broken === undefined) {
      this.#sender.end();
    } else if (this.#state !== "open" || this.#sender.isSent) {
      this.#sendReset();
      this.#finish("reset", broken);
    } else {
      this.#resetError = broken;
      this.#patience.set(Times.lastBytesMs);
    }
  }

  /** The guest has fetched something: there is room for more of the host's. */
  #onProgress(): void {
    if (!this.#paused || this.#hostClosed || !this.#sender.isLow) return;
    const { budget } = this.#context;
    if (budget.share < LEAST_SHARE) {
      budget.whenFree(() => this.#onProgress());
      return;
    }
    this.#paused = false;
    this.#stream?.resume();
  }

  #onPatience(): void {
    switch (this.#state) {
      case "connecting":
        this.refuse(true, "ETIMEDOUT");
        return;
      case "syn-received":
      case "syn-sent":
        if (++this.#tries >= Times.handshakeTries) this.abort("ETIMEDOUT", "unreachable");
        else this.#sendSyn();
        return;
      case "open":
        if (this.#resetError !== undefined) this.abort(this.#resetError);
        else if (++this.#tries > Times.keepaliveTries) this.abort("ETIMEDOUT");
        else {
          sendBare(this.#context.output, this.place.path, this.#header(this.#sender.next - 1, Flag.ack));
          this.#patience.set(Times.keepaliveAgainMs);
        }
        return;
      case "lingering":
        this.#finish("closed", undefined);
        return;
      default:
    }
  }

  #finish(how: TcpEnd["how"], error: string | undefined): void {
    if (this.#state === "closed") return;
    const told = this.#state === "lingering";
    this.#state = "closed";
    // Nobody else would close it.
    if (!this.#hostClosed && !this.#receiver.hasEnded) this.#stream?.reset();
    this.#patience.stop();
    this.#sender.stop();
    this.#receiver.stop();
    this.#context.forget(this);
    if (!told) this.#tellOver(how, error);
  }

  #tellOver(how: TcpEnd["how"], error: string | undefined): void {
    this.#onOver({ how, error, sent: this.#sent, received: this.#received });
  }
}
