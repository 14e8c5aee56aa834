/** Those who wait until something has changed, whatever it is; each looks for itself. */
export class Wakeup {
  #waiting: (() => void)[] = [];

  /** Resolves with the next `wake`. */
  wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
