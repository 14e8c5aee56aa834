/** What the cases of the suite (suite.ts) share. */
import assert from "node:assert/strict";
import type { SmolvmError } from "../../sdk/src/index.ts";

export const SMALL = { cpus: 1, memoryMiB: 256, startTimeoutMs: 300_000 } as const;

export const rejects = async (
  work: Promise<unknown>,
  Class: new (...given: never[]) => Error,
  code?: string,
) => {
  const error = await work.then(
    () => assert.fail("it did not fail"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof Class, `${String(error)} is no ${Class.name}`);
  if (code !== undefined) assert.equal((error as SmolvmError).code, code);
};
