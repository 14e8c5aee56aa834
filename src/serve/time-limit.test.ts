import { expect, test } from "bun:test";
import { TimeLimit } from "./time-limit.ts";

test("a limit aborts at its time, unless there is an answer before", async () => {
  const [over, answered] = [new TimeLimit(1), new TimeLimit(1)];
  answered.clear();
  const later = new TimeLimit(20);
  await new Promise((resolve) => later.signal.addEventListener("abort", resolve));
  expect(over.signal.reason).toMatchObject({ name: "TimeoutError" });
  expect(answered.signal.aborted).toBe(false);
});

test("where there is none, only who leaves ends it", () => {
  const none = new TimeLimit(undefined);
  none.clear();
  expect(none.signal.aborted).toBe(false);
  none.abort();
  expect(none.signal.aborted).toBe(true);
});
