import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import type { PullProgress } from "../../image/index.ts";
import { JsonDisplay } from "./json.ts";
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

async function print(events: readonly PullProgress[], step = 200): Promise<string> {
  const paper = new Paper();
  let time = 0;
  const display = new JsonDisplay(new Output(paper.send), { upToDate: true, now: () => time });
  for (const event of events) {
    time += step;
    display.show(event);
  }
  await display.settle();
  return paper.text;
}

const linesOf = (text: string) =>
  text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
const whole = [
  resolving(),
  resolved([1, 2], [0]),
  waiting(1),
  retry("reset", 500),
  layer(1, 1, 2),
  stored(1),
  merging,
  done(),
];

test("an object a line, with the promised keys", async () => {
  expect(await print(whole)).toMatchInlineSnapshot(`
    "{"event":"resolving","reference":"alpine:3.20"}
    {"event":"resolved","reference":"alpine:3.20","digest":"sha256:82e7665555555555555555555555555555555555555555555555555555555555","platform":"linux/amd64","layers":[{"digest":"sha256:a11ce55555555555555555555555555555555555555555555555555555555555","size":1048576,"present":true},{"digest":"sha256:a30bd55555555555555555555555555555555555555555555555555555555555","size":2097152,"present":false}]}
    {"event":"waiting","digest":"sha256:a30bd55555555555555555555555555555555555555555555555555555555555"}
    {"event":"retry","what":"layer","attempt":2,"delay_ms":500,"reason":"reset"}
    {"event":"progress","digest":"sha256:a30bd55555555555555555555555555555555555555555555555555555555555","bytes":1048576,"size":2097152}
    {"event":"stored","digest":"sha256:a30bd55555555555555555555555555555555555555555555555555555555555"}
    {"event":"merging"}
    {"event":"done","reference":"alpine:3.20","digest":"sha256:82e7665555555555555555555555555555555555555555555555555555555555","id":"sha256:8306555555555555555555555555555555555555555555555555555555555555","changed":false}
    "
  `);
});

test("docs/progress.md names exactly these events and keys", async () => {
  const page = readFileSync(`${import.meta.dir}/../../../docs/progress.md`, "utf8");
  const rows = [...page.matchAll(/^\| `(\w+)` \|([^|]*)\|/gm)].filter(([row]) => !row.includes("`auto`"));
  const documented = rows.map(([, event, keys = ""]) => [
    event,
    ...[...keys.matchAll(/`(\w+)`/g)].map((m) => m[1]),
  ]);
  const printed = linesOf(await print(whole)).map((line) => [line.event, ...Object.keys(line).slice(1)]);
  const byName = (a: unknown[], b: unknown[]) => String(a[0]).localeCompare(String(b[0]));
  const modes = ["tty", "plain", "json"];
  expect(documented.filter(([name = ""]) => !modes.includes(name)).sort(byName)).toEqual(
    printed.sort(byName),
  );
});

test("progress of a layer at most ten times a second, and its end always", async () => {
  const events = Array.from({ length: 1000 }, (_, index) => layer(0, (index + 1) / 1000, 1));
  const lines = linesOf(await print(events, 1));
  expect(lines.length).toBeLessThanOrEqual(12);
  expect(lines.at(-1)).toMatchObject({ event: "progress", bytes: 2 ** 20, size: 2 ** 20 });
});

test("any events: valid JSON without anything that a terminal would obey", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyEvent, { maxLength: 20 }), async (events) => {
      const text = await print(events);
      expect(text.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
      expect(linesOf(text).length).toBe(events.length);
    }),
  );
});
