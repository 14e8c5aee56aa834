import type { Budget } from "../budget.ts";
import { FIRST_WINDOW, MAX_WINDOW } from "../limits.ts";
import { EarlySegments } from "./early.ts";
import { KeptBytes } from "./kept.ts";

/** What a receiver needs of its connection. */
export interface ReceiverHost {
  /** Takes bytes for the host's side. @returns how many; the rest comes again after `drain` */
  take(bytes: Uint8Array<ArrayBuffer>): number;
  /** The guest's last byte was taken. */
  onEnd(): void;
}

/** A window that grows by less is not worth a segment. */
const WORTH_TELLING = 2;

/**
 * The half of a connection that gets from the guest. What arrives in order goes to the host at once, from where it lies;
 * only what the host does not take is copied and kept, and the window is what is left for that. All of it is paid for
 * from the budget; what the budget has no room for is lost, and comes again. Places are counted from 0, behind the SYN.
 */
export class Receiver {
  readonly #host: ReceiverHost;
  readonly #budget: Budget;
  /** Next byte that is expected. */
  #next = 0;
  /** Behind the last byte that the guest may send. */
  #edge = 0;
  /** What may be kept; grows as the guest uses it. */
  #capacity = FIRST_WINDOW;
  #sinceGrowth = 0;
  readonly #kept = new KeptBytes();
  readonly #early = new EarlySegments();
  /** What the budget has given for the two, beside the windows that it gave. */
  #paid = 0;
  #hasFin = false;
  #ended = false;
  #stopped = false;

  constructor(host: ReceiverHost, budget: Budget) {
    this.#host = host;
    this.#budget = budget;
    this.#edge = FIRST_WINDOW;
  }

  /** What is to be acknowledged: a FIN that was reached counts as one. */
  get next(): number {
    return this.#next;
  }

  /** Bytes that wait for the host. */
  get keptBytes(): number {
    return this.#kept.length;
  }

  /** The guest's FIN has been reached. */
  get hasFin(): boolean {
    return this.#hasFin;
  }

  /** The host has been told that nothing follows. */
  get hasEnded(): boolean {
    return this.#ended;
  }

  /**
   * Takes data of the guest's.
   *
   * @param place of its first byte, relative to the stream's start; below 0 only for what is old
   * @returns `taken`: an acknowledgement is due. `early`: at once, each one counts. `old`: it was here before, or beyond
   *   the window
   */
  receive(
    place: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    fin: boolean,
  ): "taken" | "early" | "old" {
    if (this.#hasFin) return "old";
    const skip = Math.max(0, this.#next - place);
    const from = start + skip;
    const at = place + skip;
    const to = Math.min(end, from + Math.max(0, this.#edge - at));
    // One that is cut off by the window has no FIN yet.
    const last = fin && to === end && from <= end;
    if (from > end || (from >= to && !last)) return "old";
    if (at > this.#next) {
      this.#keepEarly(at, bytes.subarray(from, to), last);
      return "early";
    }
    if (this.#deliver(bytes.subarray(from, to) as Uint8Array<ArrayBuffer>, true, last)) this.#takeEarly();
    this.#pay();
    this.#finish();
    return "taken";
  }

  #keepEarly(place: number, bytes: Uint8Array, fin: boolean): void {
    if (this.#stopped || !this.#early.takes(place, bytes.length, fin)) return;
    if (!this.#affords(EarlySegments.cost(bytes.length))) return;
    this.#early.add({ place, bytes: new Uint8Array(bytes), fin });
    this.#pay();
  }

  #takeEarly(): void {
    for (;;) {
      const first = this.#early.first;
      if (first === undefined || first.place > this.#next || this.#hasFin) return;
      this.#early.shift();
      const skip = this.#next - first.place;
      if (skip > first.bytes.length) continue;
      if (!this.#deliver(first.bytes.subarray(skip), false, first.fin)) return;
    }
  }

  /**
   * Takes what is next.
   *
   * @param borrowed the bytes are valid only until this returns
   * @param fin the FIN is next, behind them
   * @returns whether all of it was taken
   */
  #deliver(bytes: Uint8Array<ArrayBuffer>, borrowed: boolean, fin: boolean): boolean {
    let taken = bytes.length;
    if (taken > 0 && !this.#stopped) {
      taken = this.#kept.length === 0 ? this.#host.take(bytes) : 0;
      if (taken < bytes.length && !this.#stopped && this.#affords(KeptBytes.cost(bytes.length - taken))) {
        this.#kept.push(bytes.subarray(taken), borrowed);
        taken = bytes.length;
      }
    }
    this.#next += taken;
    this.#sinceGrowth += taken;
    if (taken < bytes.length) return false;
    if (fin) {
      this.#next++;
      this.#hasFin = true;
      this.#early.clear();
    }
    return true;
  }

  /** What is kept beyond the windows that have been paid for. */
  get #owed(): number {
    return this.#kept.cost + this.#early.cost - (this.#capacity - FIRST_WINDOW);
  }

  #affords(more: number): boolean {
    return this.#owed + more - this.#paid <= this.#budget.share;
  }

  #pay(): void {
    const owed = this.#stopped ? 0 : Math.max(0, this.#owed);
    if (owed > this.#paid) this.#budget.take(owed - this.#paid);
    else if (owed < this.#paid) this.#budget.give(this.#paid - owed);
    this.#paid = owed;
  }

  /** The host takes more. @returns whether the window has grown by so much that the guest should hear of it */
  drain(): boolean {
    this.#kept.drain((bytes) => this.#host.take(bytes));
    this.#pay();
    this.#finish();
    return this.#next + this.#room() - this.#edge >= this.#capacity / WORTH_TELLING;
  }

  #finish(): void {
    if (!this.#hasFin || this.#ended || this.#stopped || this.#kept.length > 0) return;
    this.#ended = true;
    this.#host.onEnd();
  }

  /** What the guest may send, in bytes from `next`, a multiple of `1 << scale`; what was offered once is not taken back. */
  offer(scale: number): number {
    this.#grow();
    const window = Math.min(Math.max(this.#room(), this.#edge - this.#next), 0xffff * 2 ** scale);
    const offered = Math.floor(window / 2 ** scale) * 2 ** scale;
    this.#edge = Math.max(this.#edge, this.#next + offered);
    return Math.max(0, offered);
  }

  #room(): number {
    return Math.max(0, this.#capacity - this.#kept.length);
  }

  /** A guest that fills its window, and a host that empties it, get a larger one. */
  #grow(): void {
    if (this.#sinceGrowth < this.#capacity / 2 || this.#kept.length > 0 || this.#stopped) return;
    this.#sinceGrowth = 0;
    const more = this.#capacity;
    if (this.#capacity + more > MAX_WINDOW + FIRST_WINDOW || more > this.#budget.share) return;
    this.#capacity += more;
    this.#budget.take(more);
    this.#pay();
  }

  /** Everything is over; what comes now is nobody's. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#kept.clear();
    this.#early.clear();
    this.#pay();
    this.#budget.give(this.#capacity - FIRST_WINDOW);
  }
}
