/**
 * A deadline that moves often: setting it later costs nothing but a comparison. All deadlines share one timer of the
 * runtime's. Those that are due at about the same time are due together, so each is late by up to a sixteenth of what
 * it waits: a thousand connections that end are a few wake-ups.
 */
export class Deadline {
  readonly #action: () => void;
  /** When it is due; 0: it is not set. */
  #at = 0;
  /** When somebody looks, which may be before; 0: nobody does. */
  #groupAt = 0;

  constructor(action: () => void) {
    this.#action = action;
  }

  get isSet(): boolean {
    return this.#at !== 0;
  }

  /** Replaces the deadline. */
  set(milliseconds: number): void {
    this.#at = performance.now() + milliseconds;
    if (this.#groupAt !== 0 && this.#groupAt <= this.#at) return;
    this.#leave();
    this.#join(milliseconds);
  }

  /** It stays where it is looked at: it is likely to be set again. */
  clear(): void {
    this.#at = 0;
  }

  /** For good. */
  stop(): void {
    this.#at = 0;
    this.#leave();
  }

  #join(milliseconds: number): void {
    const step = Math.max(LEAST_STEP_MS, 2 ** Math.floor(Math.log2(milliseconds / 16)));
    const at = Math.ceil(this.#at / step) * step;
    this.#groupAt = at;
    const group = groups.get(at);
    if (group !== undefined) {
      group.add(this);
      return;
    }
    groups.set(at, new Set([this]));
    if (timer === undefined || at < timerAt) arm(at);
  }

  #leave(): void {
    if (this.#groupAt === 0) return;
    const group = groups.get(this.#groupAt);
    group?.delete(this);
    if (group?.size === 0) groups.delete(this.#groupAt);
    this.#groupAt = 0;
  }

  /** Its group's time has come. */
  look(now: number): void {
    this.#leave();
    if (this.#at === 0) return;
    if (this.#at > now) {
      this.#join(this.#at - now);
      return;
    }
    this.#at = 0;
    this.#action();
  }
}

/** What is due within this is due together. */
const LEAST_STEP_MS = 16;

/** By when they are due. There are few: sixteen for each doubling of the time, at most. */
const groups = new Map<number, Set<Deadline>>();
let timer: ReturnType<typeof setTimeout> | undefined;
let timerAt = 0;

function arm(at: number): void {
  clearTimeout(timer);
  timerAt = at;
  timer = setTimeout(fire, Math.max(1, at - performance.now()));
  timer.unref();
}

function fire(): void {
  timer = undefined;
  const now = performance.now();
  try {
    for (const [at, group] of [...groups])
      if (at <= now) for (const deadline of [...group]) deadline.look(now);
  } finally {
    // Of those that one which throws has kept from being looked at, too.
    const next = Math.min(...groups.keys());
    if (next !== Number.POSITIVE_INFINITY) arm(next);
  }
}
