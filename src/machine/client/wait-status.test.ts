import { afterEach, beforeEach, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { TestPlace } from "../host/host.fixture.ts";
import { type MachineEvent, observeMachine } from "./observe.ts";
import { waitForStatus } from "./wait-status.ts";

let place: TestPlace;
beforeEach(() => {
  place = new TestPlace();
});
afterEach(() => place.remove());

const context = () => ({ paths: place.paths, environment: {}, note: () => {} });

/** Whether the wait is over, once something else has been waited for as well. */
function watched(wait: Promise<void>): { isOver: () => boolean } {
  let over = false;
  void wait.then(() => {
    over = true;
  });
  return { isOver: () => over };
}

test("a machine that somebody else starts, and that somebody else stops", async () => {
  const record = place.create("box");
  const running = waitForStatus(context(), "box", "running");
  const { host, report } = await place.start(place.order(record));
  await report;
  await running;
  const stopped = waitForStatus(context(), "box", "stopped");
  const { isOver } = watched(stopped);
  await waitForStatus(context(), "box", "running");
  expect(isOver()).toBe(false);
  await host.end("gracefully");
  await stopped;
});

test("a machine that becomes well", async () => {
  const health = {
    command: ["sh", "-c", "test -e /well"],
    ...{ intervalMs: 100, timeoutMs: 5000, retries: 1, startupGraceMs: 0 },
  };
  const { report } = await place.start(place.order(place.create("box", { health })));
  await report;
  const machine = await place.connect("box");
  const { events } = observeMachine(machine, {});
  const healthy = waitForStatus(context(), "box", "healthy");
  const { isOver } = watched(healthy);
  for await (const event of events) if (event.type === "health" && event.failures > 0) break;
  expect(isOver()).toBe(false);
  writeFileSync(`${place.root("box")}/well`, "");
  await healthy;
  machine.close();
});

test("what cannot happen any more, and whoever gives up", async () => {
  await expect(waitForStatus(context(), "nobody", "stopped")).rejects.toMatchObject({
    code: "machine.not_found",
  });
  const { report, host } = await place.start(place.order(place.create("box", { init: ["exit 1"] })));
  await report.catch(() => {});
  await host.ended;
  await expect(waitForStatus(context(), "box", "running")).rejects.toMatchObject({ code: "machine.failed" });
  await waitForStatus(context(), "box", "stopped");
  await expect(waitForStatus(context(), "box", "healthy")).rejects.toMatchObject({
    code: "machine.no_health",
  });
  place.create("other");
  const abort = new AbortController();
  const waiting = waitForStatus(context(), "other", "running", abort.signal);
  abort.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
});

test("whoever only looks takes nothing over from somebody who decides", async () => {
  const cmd = ["sh", "-c", "until [ -e /end ]; do sleep 0.02; done"];
  const { report } = await place.start(place.order(place.create("box", { cmd })));
  await report;
  const [decides, looks] = await Promise.all([place.connect("box"), place.connect("box")]);
  const restart = { policy: "always", maxRetries: 0, maxBackoffMs: 1000 } as const;
  const supervised = observeMachine(decides, { restart });
  await supervised.started;
  const observed = observeMachine(looks, {});
  await observed.started;
  writeFileSync(`${place.root("box")}/end`, "");
  const seen: MachineEvent["type"][] = [];
  for await (const { type } of observed.events) {
    seen.push(type);
    if (type === "restarting" || type === "gave_up") break;
  }
  expect(seen).toEqual(["ended", "restarting"]);
  decides.close();
  looks.close();
});
