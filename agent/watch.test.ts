import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Watch, WatchEvent, WatchRequest } from "../src/guest/index.ts";
import { output, run, startGuest, type TestGuest } from "./testing/index.ts";

/** Lack of memory needs the memory controller, which is the machine's own here: test/exit.test.ts has it in a VM. */

let it: TestGuest;
beforeAll(async () => {
  it = await startGuest();
}, 120_000);
afterAll(() => it.stop());

/** The first events of a watch. */
async function events(count: number, request: WatchRequest): Promise<WatchEvent[]> {
  const seen: WatchEvent[] = [];
  let watch: Watch | undefined;
  await new Promise<void>((resolve, reject) => {
    watch = it.guest.watch(request, (event) => {
      seen.push(event);
      if (seen.length === count) resolve();
    });
    watch.ended.catch(reject);
  });
  watch?.cancel();
  await watch?.ended;
  return seen.slice(0, count);
}

test("figures come at once and again, until they are cancelled", async () => {
  const start = performance.now();
  const figures = await events(3, { root: "main", everyMs: 100 });
  expect(performance.now() - start).toBeGreaterThan(150);
  for (const figure of figures) {
    if (figure.kind !== "figures") throw new Error(figure.kind);
    expect(figure.memoryBytes).toBeGreaterThan(figure.availableBytes);
    expect(figure.availableBytes).toBeGreaterThan(0);
    expect(figure.filesystems).toEqual([]);
  }
});

test("filesystems are those of the root; what is not there is left out", async () => {
  const [figure] = await events(1, {
    root: "main",
    everyMs: 100,
    filesystems: ["/storage", "/dev/shm", "/not/there"],
  });
  if (figure?.kind !== "figures") throw new Error("no figures");
  const blocks = async (path: string) =>
    Number((await output(it.guest, `df -k ${path} | tail -n 1 | tr -s ' ' | cut -d ' ' -f 2`)).trim()) * 1024;
  expect(figure.filesystems.map(({ path, bytes }) => [path, bytes])).toEqual([
    ["/storage", await blocks("/storage")],
    ["/dev/shm", await blocks("/dev/shm")],
  ]);
  for (const { bytes, freeBytes } of figure.filesystems) expect(freeBytes).toBeLessThanOrEqual(bytes);
});

test("without an interval nothing comes until something happens", async () => {
  const seen: WatchEvent[] = [];
  const watch = it.guest.watch({ root: "main" }, (event) => seen.push(event));
  for (let i = 0; i < 20; i++) await run(it.guest, ["true"]);
  watch.cancel();
  await watch.ended;
  expect(seen).toEqual([]);
});

test("a root that does not exist, and too many filesystems, are refused", async () => {
  const refused = (request: WatchRequest) =>
    it.guest.watch(request, () => {}).ended.catch(({ code }) => code);
  expect(await refused({ root: "none", everyMs: 100 })).toBe("agent.bad_request");
  expect(await refused({ root: "main", filesystems: Array(17).fill("/") })).toBe("agent.bad_request");
});
