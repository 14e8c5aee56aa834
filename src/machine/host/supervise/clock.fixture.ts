import type { Cancel, Clock } from "./clock.ts";

interface Entry {
  readonly dueAt: number;
  readonly call: () => void;
}

/** A clock that tests move. Timers are called in the order of their times, with the clock at that time. */
export class ManualClock implements Clock {
  /** Every wait that was ever asked for, in milliseconds. */
  readonly waits: number[] = [];
  #awake = 0;
  #slept = 0;
  #date = 1_800_000_000_000;
  readonly #entries = new Set<Entry>();

  date(): number {
    return this.#date;
  }

  elapsed(): number {
    return this.#awake + this.#slept;
  }

  after(ms: number, call: () => void): Cancel {
    this.waits.push(ms);
    const entry = { dueAt: this.#awake + Math.max(ms, 0), call };
    this.#entries.add(entry);
    return () => this.#entries.delete(entry);
  }

  /** Timers that nobody has taken back. */
  get pending(): number {
    return this.#entries.size;
  }

  /** Lets time go by, and what it leads to happen. */
  async advance(ms: number): Promise<void> {
    const end = this.#awake + ms;
    for (;;) {
      await settle();
      const next = [...this.#entries].sort((a, b) => a.dueAt - b.dueAt)[0];
      if (next === undefined || next.dueAt > end) break;
      this.#entries.delete(next);
      this.#awakeUntil(Math.max(next.dueAt, this.#awake));
      next.call();
    }
    this.#awakeUntil(end);
    await settle();
  }

  /** The host sleeps: time goes by, and no timer counts it. */
  sleep(ms: number): void {
    this.#slept += ms;
    this.#date += ms;
  }

  /** Somebody sets the host's clock. */
  setDate(date: number): void {
    this.#date = date;
  }

  #awakeUntil(end: number): void {
    this.#date += end - this.#awake;
    this.#awake = end;
  }
}

/** Lets promises that are settled say so: a turn of the event loop. */
export const settle = (): Promise<void> => Bun.sleep(0);
