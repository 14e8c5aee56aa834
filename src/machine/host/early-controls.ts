import type { ExecControl } from "../../protocol/index.ts";

/**
 * What a client says to a process that does not run yet. It is bounded however much comes: a terminal has one size, the
 * last, and a signal that waits already is the same signal, as in the kernel (signal(7)).
 */
export class EarlyControls {
  readonly #signals = new Map<number, ExecControl>();
  #resize: ExecControl | undefined;

  add(control: ExecControl): void {
    if (control.type === "resize") this.#resize = control;
    else this.#signals.set(control.signal, control);
  }

  /** All of it, once. */
  take(): readonly ExecControl[] {
    const kept = [...(this.#resize === undefined ? [] : [this.#resize]), ...this.#signals.values()];
    this.#resize = undefined;
    this.#signals.clear();
    return kept;
  }
}
