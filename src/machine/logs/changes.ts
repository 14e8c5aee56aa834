/**
 * Tells whoever listens that something has changed. A change that comes while a listener is busy is remembered, once:
 * however much is written, nobody has more than one piece of news to look at.
 */
export class Changes {
  readonly #listeners = new Set<Listener>();
  #ended = false;

  notify(): void {
    for (const listener of this.#listeners) listener.notify();
  }

  /** There will be no more changes. */
  end(): void {
    this.#ended = true;
    for (const listener of this.#listeners) listener.end();
    this.#listeners.clear();
  }

  /** Hears of every change from now on, until `return` is called or there are no more. */
  listen(): AsyncIterableIterator<void, void, void> {
    const listener = new Listener((self) => this.#listeners.delete(self));
    if (this.#ended) listener.end();
    else this.#listeners.add(listener);
    return listener;
  }
}

class Listener implements AsyncIterableIterator<void, void, void> {
  readonly #onReturn: (self: Listener) => void;
  #changed = false;
  #ended = false;
  #waiting: (() => void)[] = [];

  constructor(onReturn: (self: Listener) => void) {
    this.#onReturn = onReturn;
  }

  notify(): void {
    this.#changed = true;
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async next(): Promise<IteratorResult<void, void>> {
    while (!this.#changed && !this.#ended)
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    if (!this.#changed) return { done: true, value: undefined };
    this.#changed = false;
    return { done: false, value: undefined };
  }

  async return(): Promise<IteratorResult<void, void>> {
    this.#onReturn(this);
    this.#changed = false;
    this.end();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}
