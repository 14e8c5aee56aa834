import { expect, test } from "bun:test";
import { Backlog } from "./backlog.ts";

test("a slow reader gets the latest, and is told how many it has lost", async () => {
  const backlog = new Backlog<number>(3);
  for (let number = 0; number < 10; number++) backlog.push(number);
  const reading = backlog.read();
  expect((await reading.next()).value).toBe(7);
  expect([backlog.takeDropped(), backlog.takeDropped()]).toEqual([7, 0]);
  backlog.end();
  expect(await Array.fromAsync(reading)).toEqual([8, 9]);
});

test("a reader that waits hears of each, and of the end", async () => {
  const backlog = new Backlog<string>(3);
  const reading = backlog.read();
  const first = reading.next();
  backlog.push("one");
  expect((await first).value).toBe("one");
  const second = reading.next();
  backlog.end();
  expect((await second).done).toBe(true);
});
