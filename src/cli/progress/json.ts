import { type PullProgress, pullEventJson } from "../../image/index.ts";
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
    this.#output.write(`${JSON.stringify(pullEventJson(event), printable)}\n`);
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

/** JSON escapes fewer control characters than terminals obey. */
function printable(_key: string, value: unknown): unknown {
  return typeof value === "string" ? oneLine(value) : value;
}
