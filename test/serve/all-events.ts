import { expect } from "bun:test";
import type { Machines } from "../support/machines.ts";
import { type Api, eventsOf } from "./api.ts";

/** One stream about machines that the command line makes, starts and removes; two followers hear the same. */
export async function tryAllEvents(api: Api, home: Machines): Promise<void> {
  const follow = async () => {
    const leaving = new AbortController();
    const answer = await api.call("GET", "/api/v1/events", { signal: leaving.signal });
    const events = eventsOf(answer);
    const next = async () => {
      const { value } = await events.next();
      if (value === undefined) throw new Error("the stream has ended");
      return { event: value.event, ...JSON.parse(value.data) };
    };
    // Of the machine alone: others live here too.
    const until = async (isMeant: (event: Record<string, unknown>) => boolean) => {
      for (;;) {
        const event = await next();
        if (event.machine === "seen" && isMeant(event)) return event;
      }
    };
    return { next, until, leave: () => leaving.abort() };
  };
  const one = await follow();
  const { event, machines } = await one.next();
  expect(event).toBe("watching");
  expect(machines).toContainEqual(expect.objectContaining({ machine: "box", state: expect.any(String) }));
  const other = await follow();
  expect((await other.next()).event).toBe("watching");
  const state = (wanted: string) => (event: Record<string, unknown>) =>
    event.event === "state" && event.state === wanted;

  await home.ok(
    "create",
    "seen",
    "--cpus",
    "1",
    "--mem",
    "256",
    "--health-cmd",
    "true",
    "--health-interval",
    "1s",
  );
  await one.until(state("created"));
  await home.ok("start", "seen");
  await one.until(state("running"));
  await one.until((event) => event.event === "health" && event.status === "healthy");
  await home.ok("stop", "seen");
  await one.until(state("stopped"));
  await home.ok("delete", "-f", "seen");
  await one.until((event) => event.event === "deleted");
  one.leave();
  await other.until((event) => event.event === "deleted");
  other.leave();
}
