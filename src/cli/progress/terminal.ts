import type { PullProgress } from "../../image/index.ts";
import type { Display, DisplayOptions } from "./display.ts";
import { frame } from "./frame.ts";
import type { Output } from "./output.ts";
import { Rate } from "./rate.ts";
import { PullState } from "./state.ts";
import { again, summarize } from "./words.ts";

/** Ten pictures a second look like motion; more only cost time. */
const INTERVAL = 100;
/** A picture without news, so that the rate falls while nothing comes. */
const HEARTBEAT = 1000;
/** How long a retry is told about, at least. */
const NOTICE = 3000;

export interface TerminalDisplayOptions extends DisplayOptions {
  readonly size: () => { readonly columns: number; readonly rows: number };
}

/**
 * Redraws a block of lines in place, and leaves one line when the pull is done.
 *
 * The cursor is never hidden and no mode is set: whatever ends the process, the terminal is as it was. Only lines that
 * were drawn here are ever erased; after a terminal became so narrow that it wrapped them, parts of old ones may stay.
 */
export class TerminalDisplay implements Display {
  readonly #output: Output;
  readonly #options: TerminalDisplayOptions;
  readonly #now: () => number;
  readonly #state = new PullState();
  #rate = new Rate();
  /** Lines on the screen. */
  #drawn = 0;
  #lastDraw: number;
  #began: number;
  #notice: { readonly text: string; readonly until: number } | undefined;
  #timer: Timer | undefined;
  /** When the timer draws. */
  #due = 0;

  constructor(output: Output, options: TerminalDisplayOptions) {
    this.#output = output;
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#began = this.#now();
    // What is done at once needs no picture.
    this.#lastDraw = this.#began;
  }

  show(event: PullProgress): void {
    if (event.kind === "resolving") this.#restart();
    this.#state.apply(event);
    if (event.kind === "done") {
      this.#finish();
      return;
    }
    const time = this.#now();
    if (event.kind === "retry") this.#notice = noticeOf(event, time);
    this.#rate.add(time, this.#state.total.bytes);
    if (time >= this.#lastDraw + INTERVAL) this.#draw();
    else this.#schedule(this.#lastDraw + INTERVAL);
  }

  async settle(): Promise<void> {
    this.#erase();
    await this.#output.flush();
  }

  #restart(): void {
    this.#erase();
    this.#rate = new Rate();
    this.#notice = undefined;
    this.#began = this.#now();
    this.#lastDraw = this.#began;
  }

  #finish(): void {
    this.#erase();
    const { upToDate } = this.#options;
    const line = summarize(this.#state, { took: this.#now() - this.#began, upToDate });
    if (line !== undefined) this.#output.write(`${line}\r\n`);
  }

  #draw(): void {
    const time = this.#now();
    this.#lastDraw = time;
    // The next event, or the heartbeat, comes when the terminal has taken this one.
    if (!this.#output.busy) {
      const { bytes } = this.#state.total;
      if (this.#notice !== undefined && time >= this.#notice.until) this.#notice = undefined;
      const lines = frame(this.#state, {
        ...this.#options.size(),
        perSecond: this.#rate.perSecond(time, bytes),
        notice: this.#notice?.text,
      });
      this.#output.write(redraw(this.#drawn, lines));
      this.#drawn = lines.length;
    }
    this.#stop();
    this.#schedule(time + HEARTBEAT);
  }

  /** Draws at `due`, unless that is to happen sooner anyway. */
  #schedule(due: number): void {
    if (this.#timer !== undefined && this.#due <= due) return;
    this.#stop();
    this.#due = due;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#rate.add(this.#now(), this.#state.total.bytes);
        this.#draw();
      },
      Math.max(1, due - this.#now()),
    );
    this.#timer.unref();
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #erase(): void {
    this.#stop();
    if (this.#drawn > 0) this.#output.write(redraw(this.#drawn, []));
    this.#drawn = 0;
  }
}

function noticeOf({ reason, delayMs }: PullProgress & { kind: "retry" }, time: number) {
  const inSeconds = (ms: number) => `${Math.round(ms / 1000)} s`;
  return { text: `${reason}; ${again(delayMs, inSeconds)}`, until: time + Math.max(NOTICE, delayMs || 0) };
}

/** What replaces a block of lines, with the cursor at the end of its last one, by another (ECMA-48: CUU, EL, ED). */
function redraw(drawn: number, lines: readonly string[]): string {
  const up = drawn > 1 ? `\x1b[${drawn - 1}A` : "";
  return `\r${up}${lines.map((line) => `${line}\x1b[K`).join("\r\n")}\x1b[J`;
}
