import { expect, test } from "bun:test";
import { parseMoment } from "./moment.ts";

const now = Date.parse("2026-01-31T12:00:00Z");

test("moments are spans before now, seconds since the epoch, or dates", () => {
  expect(parseMoment("10m", now)).toBe(now - 600_000);
  expect(parseMoment("1h30m", now)).toBe(now - 5_400_000);
  expect(parseMoment("1767225600", now)).toBe(1_767_225_600_000);
  expect(parseMoment("1767225600.25", now)).toBe(1_767_225_600_250);
  expect(parseMoment("2026-01-31T12:00:00Z", now)).toBe(now);
  expect(parseMoment("2026-01-31T13:00:00.5+01:00", now)).toBe(now + 500);
  expect(parseMoment("2026-01-31T12:00:00.123456789Z", now)).toBe(now + 123);
  expect(parseMoment("2026-01-31T12:00", now)).toBe(new Date(2026, 0, 31, 12).getTime());
  expect(parseMoment("2026-01-31", now)).toBe(new Date(2026, 0, 31).getTime());
});

test("anything else is none", () => {
  for (const text of [
    "",
    "yesterday",
    "2026-13-01",
    "2026-1-1",
    "10 parsecs",
    "-5",
    "1e9",
    "12:00",
    "2026-01-31T25:00Z",
  ])
    expect(parseMoment(text, now)).toBeUndefined();
});
