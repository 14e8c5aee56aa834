import type { PullProgress } from "../../image/index.ts";
import { oneLine } from "../../values/index.ts";
import { formatBytes } from "../format/bytes.ts";
import { formatRemaining, formatSpan } from "../format/time.ts";
import type { Display, DisplayOptions } from "./display.ts";
import type { Output } from "./output.ts";
import { Rate, remainingSeconds } from "./rate.ts";
import { PullState } from "./state.ts";
import { again, summarize } from "./words.ts";

/** No line of progress sooner after another line, in milliseconds. */
const QUIET = 5000;
/** Then a line when so much of the whole has come, or after so much time: silence looks like a hang. */
const PART = 0.25;
const PATIENCE = 30_000;

/** A few lines for logs: the start, now and then how far it is, what is tried again, the end. */
export class PlainDisplay implements Display {
  readonly #output: Output;
  readonly #upToDate: boolean;
  readonly #now: () => number;
  readonly #state = new PullState();
  #rate = new Rate();
  #began: number;
  #last = { time: 0, part: 0 };
  #waited = false;

  constructor(output: Output, options: DisplayOptions) {
    this.#output = output;
    this.#upToDate = options.upToDate;
    this.#now = options.now ?? (() => performance.now());
    this.#began = this.#now();
  }

  show(event: PullProgress): void {
    this.#state.apply(event);
    switch (event.kind) {
      case "resolving":
        this.#began = this.#now();
        this.#waited = false;
        return;
      case "resolved":
        this.#rate = new Rate();
        if (this.#state.missing.length > 0) this.#line(this.#start());
        return;
      case "layer":
      case "stored":
        this.#advance();
        return;
      case "waiting":
        if (!this.#waited) this.#line(`${this.#name()}: waiting for another process that downloads it`);
        this.#waited = true;
        return;
      case "retry":
        this.#line(`${event.what}: ${event.reason}; ${again(event.delayMs, formatSpan)}`);
        return;
      case "done": {
        const took = this.#now() - this.#began;
        const line = summarize(this.#state, { took, upToDate: this.#upToDate });
        if (line !== undefined) this.#line(line);
        return;
      }
      case "merging":
    }
  }

  async settle(): Promise<void> {
    await this.#output.flush();
  }

  #start(): string {
    const { missing, layers, total } = this.#state;
    const count = missing.length === layers.size ? `${layers.size}` : `${missing.length} of ${layers.size}`;
    const noun = layers.size === 1 ? "layer" : "layers";
    return `Pulling ${this.#name()}: ${count} ${noun}, ${formatBytes(total.size)}`;
  }

  #advance(): void {
    const time = this.#now();
    const { bytes, size } = this.#state.total;
    this.#rate.add(time, bytes);
    const part = size > 0 ? bytes / size : 1;
    const passed = time - this.#last.time;
    if (passed < QUIET || (part < this.#last.part + PART && passed < PATIENCE) || part >= 1) return;
    const perSecond = this.#rate.perSecond(time, bytes);
    const left = remainingSeconds(bytes, size, perSecond);
    const facts = [
      `${this.#name()}: ${Math.floor(part * 100)}% of ${formatBytes(size)}`,
      ...(perSecond === undefined ? [] : [`${formatBytes(perSecond)}/s`]),
      ...(left === undefined ? [] : [`${formatRemaining(left)} left`]),
    ];
    this.#line(facts.join(", "));
  }

  #line(text: string): void {
    const { bytes, size } = this.#state.total;
    this.#last = { time: this.#now(), part: size > 0 ? bytes / size : 0 };
    this.#output.write(`${oneLine(text)}\n`);
  }

  #name(): string {
    return oneLine(this.#state.reference);
  }
}
