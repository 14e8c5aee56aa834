import type { ExecControl } from "../../protocol/index.ts";

/**
 * What a client says to a process that does not run yet, in its order. It is bounded however much comes: a terminal has one
 * size, the last, and a signal that waits already is the same signal, as in the kernel (signal(7)).
 */
export class EarlyControls {
  readonly #kept = new Map<number | "size", ExecControl>();

  add(control: ExecControl): void {
    if (control.type !== "resize") {
      if (!this.#kept.has(control.signal)) this.#kept.set(control.signal, control);
      return;
    }
    this.#kept.delete("size");
    this.#kept.set("size", control);
  }

  /** All of it, once. */
  take(): readonly ExecControl[] {
    const kept = [...this.#kept.values()];
    this.#kept.clear();
    return kept;
  }
}
