import type { PullProgress } from "../../image/index.ts";
import { oneLine } from "../../values/index.ts";
import type { Display, DisplayOptions } from "./display.ts";
import type { Output } from "./output.ts";

/** Milliseconds between two `progress` events of one layer. */
const INTERVAL = 100;

/** One JSON object a line, as docs/progress.md describes. */
export class JsonDisplay implements Display {
  readonly #output: Output;
  readonly #now: () => number;
  /** When each layer was last told about. */
  readonly #told = new Map<string, number>();

  constructor(output: Output, options: DisplayOptions) {
    this.#output = output;
    this.#now = options.now ?? (() => performance.now());
  }

  show(event: PullProgress): void {
    if (event.kind === "resolving") this.#told.clear();
    if (event.kind === "layer" && this.#isTooSoon(event)) return;
    this.#output.write(`${JSON.stringify(describe(event), printable)}\n`);
  }

  async settle(): Promise<void> {
    await this.#output.flush();
  }

  #isTooSoon({ digest, bytes, size }: PullProgress & { kind: "layer" }): boolean {
    const time = this.#now();
    const before = this.#told.get(digest);
    if (before !== undefined && time - before < INTERVAL && bytes < size) return true;
    this.#told.set(digest, time);
    return false;
  }
}

/** The keys are a promise to programs: see docs/progress.md before changing them. */
function describe(event: PullProgress): Record<string, unknown> {
  switch (event.kind) {
    case "resolving":
      return { event: "resolving", reference: event.reference };
    case "resolved": {
      const layers = event.layers.map(({ digest, size, present }) => ({ digest, size, present }));
      const { reference, digest, platform } = event;
      return { event: "resolved", reference, digest, platform, layers };
    }
    case "layer":
      return { event: "progress", digest: event.digest, bytes: event.bytes, size: event.size };
    case "waiting":
    case "stored":
      return { event: event.kind, digest: event.digest };
    case "retry": {
      const { what, attempt, delayMs, reason } = event;
      return { event: "retry", what, attempt, delay_ms: delayMs, reason };
    }
    case "merging":
      return { event: "merging" };
    case "done": {
      const { reference, digest, id, changed } = event;
      return { event: "done", reference, digest, id, changed };
    }
  }
}

/** JSON escapes fewer control characters than terminals obey. */
function printable(_key: string, value: unknown): unknown {
  return typeof value === "string" ? oneLine(value) : value;
}
