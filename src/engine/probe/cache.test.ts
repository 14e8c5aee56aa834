import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import fc from "fast-check";
import type { Verdict } from "../types.ts";
import { cachedVerdict, keepVerdict } from "./cache.ts";

const directory = mkdtempSync(`${tmpdir()}/smolvm-verdict-`);
afterAll(() => rmSync(directory, { recursive: true }));
const path = `${directory}/new/probe.json`;

const krun: Verdict = { engine: "krun", works: false, reason: "no", fix: "buy one", details: {} };
const qemu: Verdict = { engine: "qemu", works: true, reason: "yes", details: { version: "7.2.22" } };

test("keeps one verdict for each engine, for its key only", () => {
  expect(cachedVerdict(path, "krun", "key 1")).toBeUndefined();
  keepVerdict(path, "key 1", krun);
  keepVerdict(path, "key 2", qemu);
  expect(cachedVerdict(path, "krun", "key 1")).toEqual(krun);
  expect(cachedVerdict(path, "qemu", "key 2")).toEqual(qemu);
  expect(cachedVerdict(path, "krun", "key 2")).toBeUndefined();
  keepVerdict(path, "key 3", { ...krun, works: true });
  expect(cachedVerdict(path, "krun", "key 1")).toBeUndefined();
  expect(cachedVerdict(path, "krun", "key 3")?.works).toBe(true);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(`${directory}/new`)).toEqual(["probe.json"]);
});

test("no damage to the file is more than a missing verdict", () => {
  keepVerdict(path, "key", qemu);
  const whole = readFileSync(path);
  const anything = fc.oneof(
    fc.nat(whole.length).map((length) => whole.subarray(0, length)),
    fc.tuple(fc.nat(whole.length - 1), fc.nat(255)).map(([at, byte]) => {
      const copy = Buffer.from(whole);
      copy[at] = byte;
      return copy;
    }),
    fc.jsonValue().map((value) => Buffer.from(JSON.stringify(value))),
    fc
      .jsonValue()
      .map((verdict) =>
        Buffer.from(JSON.stringify({ format: 1, entries: { qemu: { key: "key", verdict } } })),
      ),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  );
  fc.assert(
    fc.property(anything, (content) => {
      writeFileSync(path, content);
      const verdict = cachedVerdict(path, "qemu", "key");
      if (verdict === undefined) return;
      expect(typeof verdict.works).toBe("boolean");
      expect(typeof verdict.reason).toBe("string");
      expect(Object.values(verdict.details).every((detail) => typeof detail === "string")).toBe(true);
    }),
  );
  keepVerdict(path, "key", qemu);
  expect(cachedVerdict(path, "qemu", "key")).toEqual(qemu);
});

test("a directory that cannot be written is no failure", () => {
  keepVerdict("/proc/nowhere/probe.json", "key", qemu);
  expect(cachedVerdict("/proc/nowhere/probe.json", "qemu", "key")).toBeUndefined();
});
