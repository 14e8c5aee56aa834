import { expect, test } from "bun:test";
import { Rest } from "./rest.ts";

test("memory is given back when the last request is over, once, and not while another one is worked on", async () => {
  const given: string[] = [];
  const first = Promise.withResolvers<void>();
  const busy = new Rest(() => given.push("busy"), 1);
  busy.begin();
  busy.interrupt();
  const idle = new Rest(() => {
    given.push("idle");
    first.resolve();
  }, 1);
  idle.begin();
  idle.begin();
  // It does not keep the test alive: a timer does that which ends later than those two would.
  await Promise.all([first.promise, Bun.sleep(20)]);
  expect(given).toEqual(["idle"]);
});
