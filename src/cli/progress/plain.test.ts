import { expect, test } from "bun:test";
import fc from "fast-check";
import type { PullProgress } from "../../image/index.ts";
import { Output } from "./output.ts";
import { PlainDisplay } from "./plain.ts";
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

/** What is printed of events that come so many milliseconds after each other. */
async function print(events: readonly (readonly [ms: number, event: PullProgress])[], upToDate = false) {
  const paper = new Paper();
  let time = 0;
  const display = new PlainDisplay(new Output(paper.send), { upToDate, now: () => time });
  for (const [ms, event] of events) {
    time += ms;
    display.show(event);
  }
  await display.settle();
  return paper.text;
}

test("a short pull: the start and the end", async () => {
  const events = [
    resolving(),
    resolved([3, 8], [0]),
    layer(1, 4, 8),
    layer(1, 8, 8),
    stored(1),
    merging,
    done(),
  ];
  expect(await print(events.map((event) => [200, event]))).toMatchInlineSnapshot(`
    "Pulling alpine:3.20: 1 of 2 layers, 8.0 MiB
    Pulled alpine:3.20 (8.0 MiB in 1.2 s)
    "
  `);
});

test("a long one: now and then how far it is", async () => {
  const parts = Array.from({ length: 1200 }, (_, index) => [100, layer(0, index / 12, 100)] as const);
  expect(
    await print([[0, resolving()], [0, resolved([100])], ...parts, [0, stored(0)], [0, done()]]),
  ).toMatchInlineSnapshot(`
    "Pulling alpine:3.20: 1 layer, 100 MiB
    alpine:3.20: 24% of 100 MiB, 853 KiB/s, 1 min 30 s left
    alpine:3.20: 49% of 100 MiB, 853 KiB/s, 1 min 0 s left
    alpine:3.20: 74% of 100 MiB, 853 KiB/s, 30 s left
    alpine:3.20: 99% of 100 MiB, 853 KiB/s, 0 s left
    Pulled alpine:3.20 (100 MiB in 2 min 0 s)
    "
  `);
});

test("a slow one says every half minute that it lives", async () => {
  const parts = Array.from({ length: 100 }, (_, index) => [1000, layer(0, index / 100, 100)] as const);
  const lines = (await print([[0, resolving()], [0, resolved([100])], ...parts])).split("\n");
  expect(lines.slice(0, -1)).toMatchInlineSnapshot(`
    [
      "Pulling alpine:3.20: 1 layer, 100 MiB",
      "alpine:3.20: 0% of 100 MiB, 10.2 KiB/s, 2 h 46 min left",
      "alpine:3.20: 0% of 100 MiB, 10.2 KiB/s, 2 h 45 min left",
      "alpine:3.20: 0% of 100 MiB, 10.2 KiB/s, 2 h 45 min left",
    ]
  `);
});

test("what is waited for and what is tried again", async () => {
  const events = [
    resolving(),
    resolved([1, 2]),
    waiting(0),
    waiting(1),
    retry("registry.example: connection\u001b[31m reset", 1500),
    retry("the mirror failed", 0),
    stored(0),
    stored(1),
    done(),
  ];
  expect(await print(events.map((event) => [10, event]))).toMatchInlineSnapshot(`
    "Pulling alpine:3.20: 2 layers, 3.0 MiB
    alpine:3.20: waiting for another process that downloads it
    layer: registry.example: connection [31m reset; trying again in 1.5 s
    layer: the mirror failed; trying again
    Pulled alpine:3.20 (in 0.1 s)
    "
  `);
});

test("nothing to do: nothing, or a word", async () => {
  const events = [[0, resolving()] as const, [10, done()] as const];
  expect(await print(events)).toBe("");
  expect(await print(events, true)).toBe("alpine:3.20 is up to date\n");
});

test("a new name for layers that are all there was pulled, not up to date", async () => {
  const events = [resolving(), resolved([1, 2], [0, 1]), merging, done("alpine:3.20", true)];
  const timed = events.map((event) => [10, event] as const);
  expect(await print(timed, true)).toBe("Pulled alpine:3.20 (nothing to download)\n");
  expect(await print(timed)).toBe("");
});

test("any events: printable lines, and no progress within five seconds of another line", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.nat(3000), anyEvent), { maxLength: 40 }), async (events) => {
      const text = await print(events);
      expect(text.replaceAll("\n", "")).not.toMatch(/\p{Cc}/u);
      const took = events.reduce((sum, [ms]) => sum + ms, 0);
      const told = text.split("\n").filter((line) => /: \d+% of /.test(line)).length;
      expect(told).toBeLessThanOrEqual(took / 5000);
    }),
    { numRuns: 500 },
  );
});
