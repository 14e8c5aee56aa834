import type { Budget } from "../budget.ts";
import { FIRST_WINDOW, MAX_WINDOW } from "../limits.ts";

/** What a receiver needs of its connection. */
export interface ReceiverHost {
  /** Takes bytes for the host's side. @returns how many; the rest comes again after `drain` */
  take(bytes: Uint8Array<ArrayBuffer>): number;
  /** The guest's last byte was taken. */
  onEnd(): void;
}

/** Parts that came early; of a wire that keeps the order there are none. */
const MAX_EARLY = 256;
/** A window that grows by less is not worth a segment. */
const WORTH_TELLING = 2;

interface Early {
  readonly place: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * The half of a connection that gets from the guest. What arrives in order goes to the host at once, from where it lies;
 * only what the host does not take is copied and kept, and the window is what is left for that. Places are counted from
 * 0, behind the SYN.
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
  #kept: Uint8Array<ArrayBuffer>[] = [];
  #keptBytes = 0;
  #early: Early[] = [];
  /** Where the FIN is, once one has come. */
  #finPlace = -1;
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
    return this.#keptBytes;
  }

  /** The guest's FIN has been reached. */
  get hasFin(): boolean {
    return this.#finPlace >= 0 && this.#next > this.#finPlace;
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
    if (this.hasFin) return "old";
    const skip = Math.max(0, this.#next - place);
    const from = start + skip;
    const at = place + skip;
    const to = Math.min(end, from + Math.max(0, this.#edge - at));
    const whole = to === end && from <= end;
    if (fin && whole && this.#finPlace < 0) this.#finPlace = place + (end - start);
    if (from > end || (from >= to && !(fin && whole))) return "old";
    if (at > this.#next) {
      if (from < to) this.#keepEarly(at, new Uint8Array(bytes.subarray(from, to)));
      return "early";
    }
    if (from < to) this.#deliver(bytes.subarray(from, to) as Uint8Array<ArrayBuffer>, true);
    this.#takeEarly();
    this.#reachFin();
    return "taken";
  }

  #keepEarly(place: number, bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#early.length >= MAX_EARLY) return;
    const index = this.#early.findIndex((other) => other.place >= place);
    this.#early.splice(index < 0 ? this.#early.length : index, 0, { place, bytes });
  }

  #takeEarly(): void {
    for (;;) {
      const first = this.#early[0];
      if (first === undefined || first.place > this.#next) return;
      this.#early.shift();
      const skip = this.#next - first.place;
      if (skip < first.bytes.length) this.#deliver(first.bytes.subarray(skip), false);
    }
  }

  #reachFin(): void {
    if (this.#finPlace !== this.#next) return;
    this.#next++;
    this.#finish();
  }

  /** @param borrowed the bytes are valid only until this returns */
  #deliver(bytes: Uint8Array<ArrayBuffer>, borrowed: boolean): void {
    this.#next += bytes.length;
    this.#sinceGrowth += bytes.length;
    if (this.#stopped) return;
    const taken = this.#kept.length === 0 ? this.#host.take(bytes) : 0;
    if (taken < bytes.length && !this.#stopped) {
      const rest = bytes.subarray(taken);
      this.#kept.push(borrowed ? new Uint8Array(rest) : rest);
      this.#keptBytes += rest.length;
    }
  }

  /** The host takes more. @returns whether the window has grown by so much that the guest should hear of it */
  drain(): boolean {
    let count = 0;
    for (const chunk of this.#kept) {
      const taken = this.#host.take(chunk);
      this.#keptBytes -= taken;
      if (taken < chunk.length) {
        this.#kept[count] = chunk.subarray(taken);
        break;
      }
      count++;
    }
    this.#kept = this.#kept.slice(count);
    this.#finish();
    return this.#next + this.#room() - this.#edge >= this.#capacity / WORTH_TELLING;
  }

  #finish(): void {
    if (!this.hasFin || this.#ended || this.#kept.length > 0) return;
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
    return Math.max(0, this.#capacity - this.#keptBytes);
  }

  /** A guest that fills its window, and a host that empties it, get a larger one. */
  #grow(): void {
    if (this.#sinceGrowth < this.#capacity / 2 || this.#keptBytes > 0 || this.#stopped) return;
    this.#sinceGrowth = 0;
    const more = this.#capacity;
    if (this.#capacity + more > MAX_WINDOW + FIRST_WINDOW || more > this.#budget.share) return;
    this.#capacity += more;
    this.#budget.take(more);
  }

  /** Everything is over; what comes now is nobody's. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#kept = [];
    this.#keptBytes = 0;
    this.#early = [];
    this.#budget.give(this.#capacity - FIRST_WINDOW);
  }
}
