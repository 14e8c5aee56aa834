import { describe, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { temporaryDirectory } from "./assets.fixture.ts";
import { embedded } from "./embedded.ts";
import { type AssetName, assetPath, componentManifest, hasAsset, licenceTexts } from "./index.ts";

/** The assets of this checkout's own full build, which `./dev test` makes first. */

const names: AssetName[] = [
  "kernel",
  "libkrun",
  "launcher",
  "krun",
  "threads",
  "system",
  "base",
  "overlay",
  "storage",
  "small",
];

describe("the built assets", () => {
  test("unpack, and are found again within 2 ms for all of them", async () => {
    using root = temporaryDirectory();
    const first = await Promise.all(names.map((name) => assetPath(name, root.path)));
    for (const [index, path] of first.entries()) {
      expect(path).toStartWith(
        `${root.path}/runtime/${embedded().assets[names[index] ?? "kernel"]?.sha256.slice(0, 32)}/`,
      );
      const name = names[index] ?? "kernel";
      expect(statSync(path).mode & 0o777).toBe(name === "launcher" || name === "krun" ? 0o555 : 0o444);
    }
    const times: number[] = [];
    for (let round = 0; round < 10; round++) {
      const start = performance.now();
      const again = [];
      for (const name of names) again.push(await assetPath(name, root.path));
      times.push(performance.now() - start);
      expect(again).toEqual(first);
    }
    expect(Math.min(...times)).toBeLessThan(2);
  }, 60_000);

  test("an asset that the build lacks is a clear error", async () => {
    const unknown = "no-such-asset" as AssetName;
    expect(hasAsset(unknown)).toBe(false);
    await expect(assetPath(unknown, "/nonexistent")).rejects.toMatchObject({
      code: "assets.missing",
      hint: "./dev build makes one with everything",
    });
  });

  test("the manifest names every component's version, source and licence", async () => {
    const { components, platform, absent } = await componentManifest();
    expect(platform).toBe(`${process.platform}-${process.arch}`);
    expect(absent).toEqual({});
    for (const { name, version, source, licence } of components) {
      for (const field of [name, version, source, licence]) expect(field).toMatch(/\S/);
    }
    const present = new Set(components.map(({ name }) => name));
    for (const name of ["bun", "linux", "libkrun", "musl", "busybox", "e2fsprogs", "apk-tools", "valibot"]) {
      expect(present).toContain(name);
    }
    for (const { name, part, sha256 } of components.filter(
      ({ part }) => part !== "base" && part !== "program",
    )) {
      expect(`${name} of ${part}: ${sha256}`).toMatch(/: [0-9a-f]{64}$/);
    }
  });

  test("the licence texts hold those that have to be passed on", async () => {
    const text = await licenceTexts();
    for (const phrase of [
      "GNU GENERAL PUBLIC LICENSE",
      "GNU LESSER GENERAL PUBLIC LICENSE",
      "Apache License",
    ]) {
      expect(text).toContain(phrase);
    }
  });
});
