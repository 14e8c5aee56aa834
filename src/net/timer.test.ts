import { expect, test } from "bun:test";
import { Deadline } from "./timer.ts";

test("deadlines are met in their order, and none before its time", async () => {
  const begun = performance.now();
  const order: number[] = [];
  const met = [150, 10, 70, 40].map((milliseconds) => {
    const { promise, resolve } = Promise.withResolvers<number>();
    new Deadline(() => {
      order.push(milliseconds);
      resolve(performance.now() - begun - milliseconds);
    }).set(milliseconds);
    return promise;
  });
  for (const late of await Promise.all(met)) expect(late).toBeGreaterThanOrEqual(0);
  expect(order).toEqual([10, 40, 70, 150]);
});

test("one that was moved, cleared or stopped is not met before, or not at all", async () => {
  const met: string[] = [];
  const { promise: last, resolve: end } = Promise.withResolvers<void>();
  const deadline = (name: string) => new Deadline(() => met.push(name));
  const [later, sooner, cleared, stopped] = [
    deadline("later"),
    deadline("sooner"),
    deadline("cleared"),
    deadline("stopped"),
  ];
  const until = new Deadline(end);
  later.set(10);
  later.set(100);
  sooner.set(5000);
  sooner.set(20);
  cleared.set(20);
  cleared.clear();
  stopped.set(20);
  stopped.stop();
  until.set(200);
  await last;
  expect(met).toEqual(["sooner", "later"]);
  expect([later, sooner, cleared, stopped].some((one) => one.isSet)).toBe(false);
});

test("one that sets itself again is met again, and one that stops others in time keeps them from being met", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  let turns = 0;
  const other = new Deadline(() => expect.unreachable());
  const again = new Deadline(() => {
    other.stop();
    if (++turns === 3) resolve();
    else again.set(1);
  });
  again.set(1);
  other.set(1);
  await promise;
  expect(turns).toBe(3);
});
