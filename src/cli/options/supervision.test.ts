import { expect, test } from "bun:test";
import { type SupervisionValues, watchOf } from "./supervision.ts";

const nothing: SupervisionValues = {
  restart: undefined,
  healthCommand: undefined,
  healthTimeout: undefined,
  healthRetries: undefined,
  interval: undefined,
};
const health = { command: ["ok"], intervalMs: 9000, timeoutMs: 2000, retries: 4, startupGraceMs: 1000 };
const record = {
  health,
  restart: { policy: "on-failure", maxRetries: 3, maxBackoffMs: 60_000 },
} as const satisfies Parameters<typeof watchOf>[0];
const bare = { ...record, health: null };

test("without options the machine is watched as it watches over itself", () => {
  expect(watchOf(record, nothing)).toEqual({
    policy: "on-failure",
    intervalMs: 9000,
    supervision: { restart: undefined, health: undefined },
  });
  expect(watchOf(undefined, nothing)).toMatchObject({ policy: "never", intervalMs: 5000 });
});

test("an option wins over the record, and leaves the rest of it", () => {
  expect(watchOf(record, { ...nothing, interval: 1000 }).supervision.health).toEqual({
    ...health,
    intervalMs: 1000,
  });
  const restart = { policy: "always", maxRetries: undefined } as const;
  expect(watchOf(record, { ...nothing, restart })).toMatchObject({
    policy: "always",
    supervision: { restart: { policy: "always", maxRetries: 0, maxBackoffMs: 60_000 }, health: undefined },
  });
});

test("a check needs a command, and can be taken away", () => {
  const healthOf = (values: Partial<SupervisionValues>, from: typeof record | typeof bare) =>
    watchOf(from, { ...nothing, ...values }).supervision.health;
  expect(healthOf({ healthCommand: "curl x" }, bare)).toEqual({
    command: ["/bin/sh", "-c", "curl x"],
    intervalMs: 5000,
    timeoutMs: 5000,
    retries: 3,
    startupGraceMs: 0,
  });
  expect(healthOf({ healthRetries: 2 }, bare)).toBeNull();
  expect(healthOf({ healthCommand: null }, record)).toBeNull();
});
