import type { Budget } from "../budget.ts";
import type { Output } from "../link/output.ts";
import { Deadline } from "../timer.ts";
import { RetransmissionTimeout } from "./rtt.ts";
import { Flag, type Segment } from "./segment.ts";
import { SendQueue } from "./send-queue.ts";

/** What a sender needs of its connection. */
export interface SenderHost {
  /** Sends a segment with bytes of the queue, or none. */
  emit(place: number, length: number, flags: number, queue: SendQueue): void;
  /** The guest takes nothing any more: it has not answered for minutes. */
  giveUp(): void;
  /** The guest has acknowledged bytes. */
  onProgress(): void;
}

/** Sent without an answer before a guest is given up: with a timeout that doubles up to a minute, ten minutes. */
const MAX_TRIES = 15;
/** Three acknowledgements that say the same mean a lost segment (RFC 5681, section 3.2). */
const DUPLICATES = 3;
/** Segments that one connection sends before others have their turn. */
const TURN = 64;

/**
 * The half of a connection that sends to the guest (RFC 9293, RFC 6298, RFC 6582). Places in the stream are counted from
 * 0, behind the SYN. There is no congestion to control: the wire is memory, and what the guest has no room for it says by
 * its window. After a loss, which only tests and a guest's own packet filters make, it starts slowly again.
 */
export class Sender {
  readonly #queue = new SendQueue();
  readonly #host: SenderHost;
  readonly #output: Output;
  readonly #budget: Budget;
  readonly #timeout = new RetransmissionTimeout();
  readonly #timer = new Deadline(() => this.#onTimeout());
  readonly #pump = () => this.pump();
  #cost = 0;
  /** First byte that is not acknowledged; next to send; behind the last that was ever sent. */
  #acknowledged = 0;
  #next = 0;
  #highest = 0;
  #window = 0;
  #mss = 536;
  #ended = false;
  #open = false;
  #tries = 0;
  #duplicates = 0;
  /** What was sent when a loss was noticed; until it is acknowledged, `#allowed` bytes are under way at most. */
  #recoverTo = -1;
  #allowed = Number.POSITIVE_INFINITY;
  /** A segment whose way there and back is measured. */
  #timedPlace = -1;
  #timedAt = 0;

  constructor(host: SenderHost, output: Output, budget: Budget) {
    this.#host = host;
    this.#output = output;
    this.#budget = budget;
  }

  /** Behind the last byte that was acknowledged; the FIN counts as one. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Whether it has as much as it may have for now. */
  get isFull(): boolean {
    return this.#cost >= this.#budget.share;
  }

  /** Whether it has so little that more should come. */
  get isLow(): boolean {
    return this.#cost <= this.#budget.share / 2;
  }

  get isEmpty(): boolean {
    return this.#cost === 0;
  }

  /** Everything was sent, if not acknowledged. */
  get isSent(): boolean {
    return this.#next >= this.#queue.end + (this.#ended ? 1 : 0);
  }

  /** The guest has everything, and knows that it is all. */
  get isDone(): boolean {
    return this.#ended && this.#acknowledged > this.#queue.end;
  }

  /** What goes into the sequence field of a segment without data. */
  get next(): number {
    return this.#next;
  }

  /** The handshake is done. */
  open(mss: number, window: number): void {
    this.#mss = mss;
    this.#window = window;
    this.#open = true;
  }

  /** The sender keeps the bytes. */
  push(bytes: Uint8Array): void {
    const cost = SendQueue.cost(bytes);
    this.#cost += cost;
    this.#budget.take(cost);
    this.#queue.push(bytes);
    this.pump();
  }

  /** Nothing follows: a FIN behind the last byte. */
  end(): void {
    this.#ended = true;
    this.pump();
  }

  /** Sends what window and wire take. */
  pump(): void {
    if (!this.#open) return;
    for (let turn = 0; ; turn++) {
      if (!this.#output.hasRoom || turn === TURN) {
        if (!this.isSent) this.#output.whenRoom(this.#pump);
        return;
      }
      if (!this.#sendNext()) return;
    }
  }

  #sendNext(): boolean {
    const { end } = this.#queue;
    const inFlight = this.#next - this.#acknowledged;
    const left = end - this.#next;
    if (left < 0 || (left === 0 && !this.#ended)) return false;
    const room = Math.min(this.#window, this.#allowed) - inFlight;
    const length = Math.min(left, this.#mss, Math.max(0, room));
    // A sliver of a window is worth no segment while others are under way (RFC 9293, section 3.8.6.2.1).
    if (length < left && length < this.#mss && (inFlight > 0 || length === 0)) {
      if (inFlight === 0) this.#armTimer();
      return false;
    }
    const last = length === left;
    this.#emit(this.#next, length, last && this.#ended);
    this.#next += length + (last && this.#ended ? 1 : 0);
    if (this.#timedPlace < 0 && this.#next > this.#highest) {
      this.#timedPlace = this.#next;
      this.#timedAt = performance.now();
    }
    this.#highest = Math.max(this.#highest, this.#next);
    this.#armTimer();
    return true;
  }

  #emit(place: number, length: number, fin: boolean): void {
    const push = place + length >= this.#queue.end ? Flag.push : 0;
    this.#host.emit(place, length, Flag.ack | push | (fin ? Flag.fin : 0), this.#queue);
  }

  #armTimer(): void {
    if (!this.#timer.isSet) this.#timer.set(this.#timeout.current);
  }

  /**
   * The guest acknowledges.
   *
   * @param place what it says, counted as our places are
   * @param window bytes
   */
  onAcknowledged(place: number, window: number, segment: Segment): void {
    if (place > this.#highest || place < this.#acknowledged) return;
    const changed = window !== this.#window;
    if (changed && this.#window === 0) {
      // Probes had become rare.
      this.#timeout.reset();
      this.#timer.clear();
    }
    this.#window = window;
    if (place > this.#acknowledged) this.#advance(place);
    else if (!changed && segment.length === 0 && this.#highest > place) this.#onDuplicate();
    // An answer to a probe: the guest is there.
    if (window === 0) this.#tries = 0;
    this.pump();
  }

  #advance(place: number): void {
    this.#acknowledged = place;
    if (this.#next < place) this.#next = place;
    const freed = this.#queue.drop(Math.min(place, this.#queue.end));
    this.#cost -= freed;
    this.#budget.give(freed);
    this.#tries = 0;
    this.#duplicates = 0;
    if (this.#timedPlace >= 0 && place >= this.#timedPlace) {
      this.#timeout.sample(performance.now() - this.#timedAt);
      this.#timedPlace = -1;
    }
    this.#timeout.reset();
    this.#timer.clear();
    if (this.#highest > place) this.#armTimer();
    if (this.#recoverTo >= 0) this.#recover(place);
    this.#host.onProgress();
  }

  /** A part of what was sent before the loss has arrived: what follows is missing too (RFC 6582, section 3.2). */
  #recover(place: number): void {
    if (place >= this.#recoverTo) {
      this.#recoverTo = -1;
      this.#allowed = Number.POSITIVE_INFINITY;
      return;
    }
    if (this.#allowed !== Number.POSITIVE_INFINITY) this.#allowed *= 2;
    else this.#sendFirstAgain();
  }

  #onDuplicate(): void {
    if (++this.#duplicates !== DUPLICATES || this.#recoverTo >= 0) return;
    this.#recoverTo = this.#highest;
    this.#sendFirstAgain();
  }

  #sendFirstAgain(): void {
    this.#timedPlace = -1;
    const place = this.#acknowledged;
    const length = Math.min(this.#mss, this.#queue.end - place, this.#highest - place);
    if (length < 0) return;
    this.#emit(place, length, this.#ended && place + length === this.#queue.end);
  }

  /** Nothing came back in time: a lost segment, or a window that is closed. */
  #onTimeout(): void {
    if (++this.#tries > MAX_TRIES) {
      this.#host.giveUp();
      return;
    }
    this.#timeout.double();
    this.#timedPlace = -1;
    this.#duplicates = 0;
    if (this.#window === 0 && this.#acknowledged < this.#queue.end) {
      // A byte beyond the window: the answer says what the window is now (RFC 9293, section 3.8.6.1).
      this.#highest = Math.max(this.#highest, this.#acknowledged + 1);
      this.#next = this.#acknowledged;
      this.#emit(this.#acknowledged, 1, false);
    } else {
      this.#recoverTo = this.#highest;
      this.#allowed = this.#mss;
      this.#next = this.#acknowledged;
      this.pump();
    }
    this.#armTimer();
  }

  /** Everything is over. */
  stop(): void {
    this.#open = false;
    this.#timer.stop();
    this.#budget.give(this.#cost);
    this.#cost = 0;
  }
}
