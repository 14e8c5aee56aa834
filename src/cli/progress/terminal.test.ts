import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { PullProgress } from "../../image/index.ts";
import { Output } from "./output.ts";
import {
  anyEvent,
  done,
  layer,
  merging,
  Paper,
  resolved,
  resolving,
  retry,
  stored,
  waiting,
} from "./progress.fixture.ts";
import { Screen } from "./screen.ts";
import { TerminalDisplay } from "./terminal.ts";

/** A display on a screen, with a clock that a test moves. */
class Stage {
  readonly paper = new Paper();
  readonly screen: Screen;
  readonly display: TerminalDisplay;
  time = 0;
  readonly #output = new Output(this.paper.send);
  #shown = 0;

  constructor(columns = 80, rows = 24, upToDate = false) {
    this.screen = new Screen(columns, rows);
    this.display = new TerminalDisplay(this.#output, {
      upToDate,
      now: () => this.time,
      size: () => this.screen,
    });
  }

  /** Events, each so many milliseconds after the one before. */
  async play(events: readonly PullProgress[], step = 200): Promise<string> {
    for (const event of events) {
      this.time += step;
      this.display.show(event);
      await this.#output.flush();
    }
    return this.look();
  }

  async end(): Promise<string> {
    await this.display.settle();
    return this.look();
  }

  look(): string {
    this.screen.write(this.paper.text.slice(this.#shown));
    this.#shown = this.paper.text.length;
    return this.screen.text;
  }

  /** How often something was drawn. */
  get pictures(): number {
    return this.paper.text.split("\x1b[J").length - 1;
  }
}

const start = [resolving(), resolved([3, 8], [0])];
const whole = [...start, layer(1, 4, 8), layer(1, 8, 8), stored(1), merging, done()];

describe("on a terminal", () => {
  test("lines are redrawn in place, and one remains", async () => {
    const stage = new Stage();
    stage.screen.write("$ smolvm pull alpine\r\n");
    expect(await stage.play(start)).toMatchInlineSnapshot(`
      "$ smolvm pull alpine
      a11ce5555555 present
      a30bd5555555 queued      8.0 MiB
      alpine:3.20       0 B / 8.0 MiB    0%"
    `);
    expect(await stage.play([layer(1, 4, 8)], 1000)).toMatchInlineSnapshot(`
      "$ smolvm pull alpine
      a11ce5555555 present
      a30bd5555555 downloading [===============>              ]  4.0 MiB / 8.0 MiB
      alpine:3.20   4.0 MiB / 8.0 MiB   50%  3.3 MiB/s  1 s left"
    `);
    expect(await stage.play([merging])).toMatchInlineSnapshot(`
      "$ smolvm pull alpine
      alpine:3.20: putting the layers together"
    `);
    expect(await stage.play([done()])).toMatchInlineSnapshot(`
      "$ smolvm pull alpine
      Pulled alpine:3.20 (4.0 MiB in 1.6 s)"
    `);
    expect(stage.screen.cursor).toEqual({ row: 2, column: 0 });
  });

  test("a failure leaves nothing, wherever it happens", async () => {
    for (let count = 0; count < whole.length; count++) {
      const stage = new Stage();
      stage.screen.write("before\r\n");
      await stage.play(whole.slice(0, count));
      expect(await stage.end()).toBe("before");
      expect(stage.screen.cursor).toEqual({ row: 1, column: 0 });
    }
  });

  test("what is done at once needs no picture", async () => {
    const stage = new Stage();
    expect(await stage.play(whole, 10)).toBe("Pulled alpine:3.20 (8.0 MiB in 0.1 s)");
    expect(stage.pictures).toBe(0);
  });

  test("says that there was nothing to do only when asked to", async () => {
    const events = [resolving(), done()];
    expect(await new Stage().play(events)).toBe("");
    expect(await new Stage(80, 24, true).play(events)).toBe("alpine:3.20 is up to date");
    expect(await new Stage(80, 24, true).play([resolving(), resolved([1], [0]), merging, done()])).toBe(
      "alpine:3.20 is up to date",
    );
  });

  test("does not count what another process downloaded", async () => {
    expect(await new Stage().play([resolving(), resolved([5]), waiting(0), stored(0), merging, done()])).toBe(
      "Pulled alpine:3.20 (in 1.0 s)",
    );
  });

  test("several pulls follow each other", async () => {
    const stage = new Stage(60);
    const text = await stage.play([...whole, resolving("debian:12"), resolved([2], [], "debian:12")]);
    expect(text).toMatchInlineSnapshot(`
      "Pulled alpine:3.20 (8.0 MiB in 1.2 s)
      a11ce5555555 queued      2.0 MiB
      debian:12       0 B / 2.0 MiB    0%"
    `);
  });

  test("a retry is told about for a while", async () => {
    const stage = new Stage(60);
    expect(await stage.play([...start, layer(1, 1, 8), retry("connection reset", 2000)])).toContain(
      "connection reset; trying again in 2 s\n",
    );
    expect(await stage.play([layer(1, 2, 8)], 1000)).toContain("connection reset");
    expect(await stage.play([layer(1, 3, 8)], 3000)).not.toContain("connection reset");
  });

  test("is drawn at most ten times a second, however many events there are", async () => {
    const stage = new Stage();
    await stage.play(start, 0);
    const events = Array.from({ length: 10_000 }, (_, index) => layer(1, index / 2000, 8));
    await stage.play(events, 1);
    expect(stage.pictures).toBeLessThanOrEqual(101);
    expect(stage.pictures).toBeGreaterThan(90);
  });

  test("follows a terminal that changes its size, and erases nothing that is not its own", async () => {
    const stage = new Stage(100, 24);
    stage.screen.write("my work\r\n");
    await stage.play([...start, layer(1, 1, 8)]);
    for (const [columns, rows] of [
      [40, 24],
      [20, 24],
      [200, 24],
    ] as const) {
      stage.screen.columns = columns;
      stage.screen.rows = rows;
      const text = await stage.play([layer(1, 2, 8)]);
      expect(text).toStartWith("my work\n");
      for (const line of text.split("\n")) expect(line.length).toBeLessThan(columns);
    }
  });

  test("sets no mode and no colour", async () => {
    const stage = new Stage();
    await stage.play(whole);
    const sequences = stage.paper.text.match(/\p{Cc}\[\d*[A-Za-z]/gu);
    expect(new Set(sequences?.map((sequence) => sequence.replace(/\d+/, "")))).toEqual(
      new Set(["\x1b[A", "\x1b[K", "\x1b[J"]),
    );
  });

  test("nothing of a registry can be obeyed by the terminal", async () => {
    const stage = new Stage(80, 24, true);
    const evil = "a\u001b]0;title\u0007\u009b2J\nb";
    await stage.play([
      resolving(evil),
      resolved([1], [], evil),
      layer(0, 0.5, 1),
      retry(evil, 100),
      done(evil),
    ]);
    // The screen refuses everything but the sequences above.
    expect(stage.look()).toContain("Pulled a ]0;title 2J b");
  });
});

test("any events at any time, on any terminal: no line is wrapped, nothing else is touched, nothing remains", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(anyEvent, fc.nat(2000)), { maxLength: 30 }),
      fc.integer({ min: 20, max: 200 }),
      fc.integer({ min: 3, max: 50 }),
      async (events, columns, rows) => {
        const stage = new Stage(columns, rows);
        stage.screen.write("before\r\n");
        for (const [event, step] of events) {
          // Its summary is a line that stays and may be long.
          if (event.kind !== "done") expect(await stage.play([event], step)).toStartWith("before");
          expect(stage.screen.wraps).toBe(0);
        }
        expect(await stage.end()).toBe("before");
      },
    ),
    { numRuns: 500 },
  );
});

test("a terminal that takes nothing stops no pull and gets no old pictures", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const writes: string[] = [];
  const output = new Output(async (bytes) => {
    writes.push(Buffer.from(bytes).toString());
    await promise;
  });
  let time = 0;
  const display = new TerminalDisplay(output, {
    upToDate: false,
    now: () => time,
    size: () => ({ columns: 80, rows: 24 }),
  });
  for (const event of [...start, ...Array.from({ length: 50 }, (_, index) => layer(1, index / 10, 8))]) {
    time += 150;
    display.show(event);
  }
  await Promise.resolve();
  expect(writes.length).toBe(1);
  resolve();
  await display.settle();
  expect(writes.length).toBe(2);
});

test("what cannot be written is given up without a word", async () => {
  const output = new Output(async () => {
    throw new Error("closed");
  });
  const display = new TerminalDisplay(output, { upToDate: true, size: () => ({ columns: 80, rows: 24 }) });
  for (const event of whole) display.show(event);
  await display.settle();
  expect(output.busy).toBe(false);
});
