import { describe, expect, test } from "bun:test";
import { endsWithin, unlessAborted } from "./within.ts";

test("tells whether something ended, however it did", async () => {
  expect(await endsWithin(Promise.resolve(), 60_000)).toBe(true);
  expect(await endsWithin(Promise.reject(new Error("no")), 60_000)).toBe(true);
  expect(await endsWithin(new Promise(() => {}), 1)).toBe(false);
});

test("leaves no timer behind that keeps the program alive", async () => {
  const script = `const { endsWithin } = await import("${import.meta.dir}/within.ts");
    console.log(await endsWithin(Promise.resolve(), 600_000));`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
  expect(await new Response(child.stdout).text()).toBe("true\n");
  expect(await child.exited).toBe(0);
});

describe("unlessAborted", () => {
  test("gives what the work gives, or throws what it throws", async () => {
    const { signal } = new AbortController();
    expect(await unlessAborted(Promise.resolve(7), signal)).toBe(7);
    expect(await unlessAborted(Promise.resolve(7), undefined)).toBe(7);
    await expect(unlessAborted(Promise.reject(new Error("no")), signal)).rejects.toThrow("no");
  });

  test("throws the signal's reason at once, before and while it waits", async () => {
    const never = new Promise<never>(() => {});
    await expect(unlessAborted(never, AbortSignal.abort(new Error("before")))).rejects.toThrow("before");
    const abort = new AbortController();
    const waiting = unlessAborted(never, abort.signal);
    abort.abort(new Error("while"));
    await expect(waiting).rejects.toThrow("while");
  });
});
