import type { PullProgress } from "../../image/index.ts";

/** Where a layer is: `waiting` for another process that downloads it, `present` since before the pull. */
export type LayerState = "queued" | "downloading" | "waiting" | "verifying" | "stored" | "present";

export interface LayerProgress {
  readonly digest: string;
  /** Compressed bytes. */
  readonly size: number;
  /** Bytes downloaded, at most `size`. */
  bytes: number;
  state: LayerState;
  /** This process downloads it, rather than another one. */
  own: boolean;
}

export type Phase = "resolving" | "downloading" | "merging" | "done";

/** Where a pull is, as its events tell. Any events in any order make some state; sizes may be lies of a registry. */
export class PullState {
  phase: Phase = "resolving";
  /** As the event has it: not fit to be printed as it is. */
  reference = "";
  /** Each once, lowest first. */
  readonly layers = new Map<string, LayerProgress>();
  /** The reference led somewhere else before, or nowhere; known at the end. */
  changed = false;
  /** What is being tried again. */
  retry: { readonly reason: string; readonly delayMs: number } | undefined;

  apply(event: PullProgress): void {
    switch (event.kind) {
      case "resolving":
        this.#begin(event.reference);
        this.phase = "resolving";
        return;
      case "resolved":
        this.#begin(event.reference);
        for (const { digest, size, present } of event.layers) this.#add(digest, amount(size), present);
        this.phase = "downloading";
        return;
      case "layer":
        this.#advance(event.digest, amount(event.bytes));
        return;
      case "waiting":
        this.#change(event.digest, "waiting");
        return;
      case "stored":
        this.#change(event.digest, "stored");
        return;
      case "retry":
        this.retry = { reason: event.reason, delayMs: amount(event.delayMs) };
        return;
      case "merging":
        this.phase = "merging";
        return;
      case "done":
        this.reference = event.reference;
        this.changed = event.changed;
        this.phase = "done";
    }
  }

  /** Layers that were not there before. */
  get missing(): readonly LayerProgress[] {
    return [...this.layers.values()].filter(({ state }) => state !== "present");
  }

  /** Bytes of the missing layers: those that are here by now, and all. */
  get total(): { readonly bytes: number; readonly size: number } {
    const sum = { bytes: 0, size: 0 };
    for (const { bytes, size, state } of this.layers.values()) {
      if (state === "present") continue;
      sum.bytes += bytes;
      sum.size += size;
    }
    return sum;
  }

  /** Bytes that this process has downloaded. */
  get downloaded(): number {
    return this.missing.reduce((sum, { bytes, own }) => sum + (own ? bytes : 0), 0);
  }

  #begin(reference: string): void {
    this.reference = reference;
    this.layers.clear();
    this.retry = undefined;
  }

  #add(digest: string, size: number, present: boolean): void {
    if (this.layers.has(digest)) return;
    this.layers.set(digest, { digest, size, bytes: 0, state: present ? "present" : "queued", own: false });
  }

  #advance(digest: string, bytes: number): void {
    const layer = this.layers.get(digest);
    if (layer === undefined || layer.state === "present" || layer.state === "stored") return;
    layer.bytes = Math.min(bytes, layer.size);
    layer.state = layer.bytes < layer.size ? "downloading" : "verifying";
    layer.own = true;
  }

  #change(digest: string, state: "waiting" | "stored"): void {
    const layer = this.layers.get(digest);
    if (layer === undefined || layer.state === "present" || layer.state === "stored") return;
    layer.state = state;
    if (state === "stored") layer.bytes = layer.size;
  }
}

/** A count that can be calculated with. */
function amount(given: number): number {
  return Number.isFinite(given) && given > 0 ? given : 0;
}
