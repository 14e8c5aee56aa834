import { expect, test } from "bun:test";
import { EarlyControls } from "./early-controls.ts";

test("of what comes before the process, the last size and each signal are kept, and no more", () => {
  const early = new EarlyControls();
  for (let at = 1; at <= 10_000; at++) {
    early.add({ type: "resize", columns: at, rows: 1 });
    early.add({ type: "signal", signal: at % 2 === 0 ? 15 : 2 });
  }
  expect(early.take()).toEqual([
    { type: "signal", signal: 2 },
    { type: "signal", signal: 15 },
    { type: "resize", columns: 10_000, rows: 1 },
  ]);
  expect(early.take()).toEqual([]);
});
