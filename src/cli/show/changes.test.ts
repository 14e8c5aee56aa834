import { expect, test } from "bun:test";
import type { SettingChange } from "../../machine/index.ts";
import { formatChanges } from "./changes.ts";

const restart = (policy: string, maxRetries: number) => ({ policy, maxRetries, maxBackoffMs: 300_000 });

test("every change is a line, in the words of the options", () => {
  const changes: SettingChange[] = [
    { setting: "cpus", before: 1, after: 2 },
    { setting: "memoryMib", before: 256, after: 512 },
    { setting: "storageGib", before: 20, after: 40 },
    { setting: "ttlMs", before: null, after: 90_000 },
    { setting: "idleTimeoutMs", before: 1500, after: null },
    { setting: "cmd", before: [], after: ["sh", "-c", "a b"] },
    { setting: "labels", before: {}, after: { a: "b", c: "" } },
    { setting: "restart", before: restart("never", 0), after: restart("on-failure", 5) },
    { setting: "reaper", before: false, after: true },
    { setting: "user", before: null, after: "app\u001b[2J" },
  ];
  expect(formatChanges("web", changes)).toMatchInlineSnapshot(`
    "Updated machine 'web':
      cpus: 1 → 2
      memory: 256 MiB → 512 MiB
      storage: 20 GiB → 40 GiB
      ttl: none → 90 s
      idle timeout: 1.5 s → none
      cmd: none → ["sh","-c","a b"]
      labels: none → a=b, c=
      restart: never, backoff up to 300 s → on-failure:5, backoff up to 300 s
      reaper: false → true
      user: none → app [2J
    Changes take effect at the next start: smolvm machine start --name web
    "
  `);
});

test("values of variables are not shown", () => {
  const text = formatChanges("web", [{ setting: "env", before: ["A=secret"], after: ["B=hidden", "C=1=2"] }]);
  expect(text).toContain("  env: B, C\n");
  expect(text).not.toMatch(/secret|hidden|1=2/);
});
