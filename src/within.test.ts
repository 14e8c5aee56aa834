import { expect, test } from "bun:test";
import { endsWithin } from "./within.ts";

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
