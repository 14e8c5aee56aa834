import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { PullProgress } from "../../image/index.ts";
import { frame } from "./frame.ts";
import {
  anyEvent,
  anySize,
  anyText,
  done,
  layer,
  merging,
  resolved,
  resolving,
  stored,
  waiting,
} from "./progress.fixture.ts";
import { PullState } from "./state.ts";

function stateAfter(...events: PullProgress[]): PullState {
  const state = new PullState();
  for (const event of events) state.apply(event);
  return state;
}

const MIB = 2 ** 20;
const busy = stateAfter(
  resolving(),
  resolved([3, 45.6, 120, 12, 1, 0.1], [0]),
  layer(1, 12.3, 45.6),
  layer(2, 120, 120),
  waiting(3),
  stored(4),
);

/** The frame as one text, with a mark where each line ends. */
function show(state: PullState, columns: number, rows: number, perSecond?: number, notice?: string): string {
  return frame(state, { columns, rows, perSecond, notice })
    .map((line) => `${line}|`)
    .join("\n");
}

describe("a frame", () => {
  test("has a line for each layer and one for all", () => {
    expect(show(busy, 100, 24, 11.5 * MIB)).toMatchInlineSnapshot(`
      "a11ce5555555 present|
      a30bd5555555 downloading [========>                     ] 12.3 MiB / 45.6 MiB|
      a4fac5555555 verifying|
      a6e9b5555555 waiting     12.0 MiB|
      a8d8a5555555 stored|
      aac795555555 queued      102 KiB|
      alpine:3.20   133 MiB / 179 MiB   74%  11.5 MiB/s  4 s left|"
    `);
  });

  test("drops what there is no room for, the least important first", () => {
    expect(show(busy, 70, 24, 11.5 * MIB)).toMatchInlineSnapshot(`
      "a11ce5555555 present|
      a30bd5555555 downloading [=====>                ] 12.3 MiB / 45.6 MiB|
      a4fac5555555 verifying|
      a6e9b5555555 waiting     12.0 MiB|
      a8d8a5555555 stored|
      aac795555555 queued      102 KiB|
      alpine:3.20   133 MiB / 179 MiB   74%  11.5 MiB/s  4 s left|"
    `);
    expect(show(busy, 50, 24, 11.5 * MIB)).toMatchInlineSnapshot(`
      "a11ce5555555 present|
      a30bd5555555 downloading 12.3 MiB / 45.6 MiB|
      a4fac5555555 verifying|
      a6e9b5555555 waiting     12.0 MiB|
      a8d8a5555555 stored|
      aac795555555 queued      102 KiB|
      133 MiB / 179 MiB   74%  11.5 MiB/s  4 s left|"
    `);
    expect(show(busy, 30, 24, 11.5 * MIB)).toMatchInlineSnapshot(`
      "a11ce5555555 present|
      a30bd5555555  26%|
      a4fac5555555 verifying|
      a6e9b5555555 waiting|
      a8d8a5555555 stored|
      aac795555555 queued|
      133 MiB / 179 MiB   74%|"
    `);
    expect(show(busy, 20, 24, 11.5 * MIB)).toMatchInlineSnapshot(`
      "a11ce5555555 presen|
      a30bd5555555  26%|
      a4fac5555555 verify|
      a6e9b5555555 waitin|
      a8d8a5555555 stored|
      aac795555555 queued|
      74%  4 s left|"
    `);
  });

  test("folds what does not fit, the least active first", () => {
    expect(show(busy, 80, 6)).toMatchInlineSnapshot(`
      "a30bd5555555 downloading [========>                     ] 12.3 MiB / 45.6 MiB|
      a4fac5555555 verifying|
      a6e9b5555555 waiting     12.0 MiB|
      ... and 3 more layers|
      alpine:3.20   133 MiB / 179 MiB   74%|"
    `);
    expect(show(busy, 80, 4)).toMatchInlineSnapshot(`
      "a30bd5555555 downloading [========>                     ] 12.3 MiB / 45.6 MiB|
      ... and 5 more layers|
      alpine:3.20   133 MiB / 179 MiB   74%|"
    `);
    expect(show(busy, 80, 2)).toMatchInlineSnapshot(`"alpine:3.20   133 MiB / 179 MiB   74%|"`);
  });

  test("says what is tried again", () => {
    expect(show(busy, 60, 5, undefined, "connection reset; trying again in 2 s")).toMatchInlineSnapshot(`
      "a30bd5555555 downloading [===>        ] 12.3 MiB / 45.6 MiB|
      ... and 5 more layers|
      connection reset; trying again in 2 s|
      alpine:3.20   133 MiB / 179 MiB   74%|"
    `);
  });

  test("before and after the layers", () => {
    expect(show(stateAfter(resolving("ghcr.io/a/b:1")), 80, 24)).toMatchInlineSnapshot(
      `"ghcr.io/a/b:1: asking the registry|"`,
    );
    expect(show(stateAfter(resolved([1]), stored(0), merging), 80, 24)).toMatchInlineSnapshot(
      `"alpine:3.20: putting the layers together|"`,
    );
  });

  test("contains nothing of a registry that a terminal would obey or a counted width would miss", () => {
    const hostile = stateAfter(
      resolved([1, 2], [], "e\u001b[2Jvil\u009b31m\n漢字\u202e:1"),
      layer(0, 0.5, 1),
    );
    expect(show(hostile, 80, 24)).toMatchInlineSnapshot(`
      "a11ce5555555 downloading [===============>              ]  512 KiB / 1.0 MiB|
      a30bd5555555 queued      2.0 MiB|
      e [2Jvil 31m ???:1   512 KiB / 3.0 MiB   16%|"
    `);
  });
});

test("any events in any order fit any terminal", () => {
  fc.assert(
    fc.property(
      fc.array(anyEvent, { maxLength: 40 }),
      fc.integer({ min: 1, max: 200 }),
      fc.integer({ min: 1, max: 60 }),
      fc.option(anySize, { nil: undefined }),
      fc.option(anyText, { nil: undefined }),
      (events, columns, rows, perSecond, notice) => {
        const lines = frame(stateAfter(...events), { columns, rows, perSecond, notice });
        expect(lines.length).toBeGreaterThan(0);
        expect(lines.length).toBeLessThanOrEqual(Math.max(1, rows - 1));
        for (const line of lines) {
          expect(line).toMatch(/^[\x20-\x7e]*$/);
          expect(line.length).toBeLessThanOrEqual(Math.max(1, columns - 1));
        }
      },
    ),
    { numRuns: 2000 },
  );
});

test("a frame of 127 layers takes less than a millisecond of a processor", () => {
  const sizes = Array.from({ length: 127 }, (_, index) => index + 1);
  const state = stateAfter(resolved(sizes), ...sizes.map((size, index) => layer(index, size / 2, size)));
  // Not by the clock, which also measures what else the machine does.
  const start = process.cpuUsage();
  for (let i = 0; i < 500; i++) frame(state, { columns: 200, rows: 50, perSecond: 1e6, notice: undefined });
  const { user, system } = process.cpuUsage(start);
  expect((user + system) / 1000 / 500).toBeLessThan(1);
});

test("what is downloaded, waited for and there already is counted apart", () => {
  const state = stateAfter(
    resolved([1, 2, 4], [0]),
    layer(1, 2, 2),
    stored(1),
    waiting(2),
    stored(2),
    done(),
  );
  expect(state.missing.length).toBe(2);
  expect(state.total).toEqual({ bytes: 6 * MIB, size: 6 * MIB });
  expect(state.downloaded).toBe(2 * MIB);
});
