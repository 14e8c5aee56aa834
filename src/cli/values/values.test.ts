import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { SmolError } from "../../errors.ts";
import { parseDuration } from "./duration.ts";
import { parseEnvFile } from "./env-file.ts";
import { LIMIT_NAMES, parseLimit } from "./limit.ts";
import { parsePlatform } from "./platform.ts";
import { countUpTo, sizeIn } from "./size.ts";

const mib = sizeIn({ unit: "MiB", min: 64, max: 16_777_216 });
const gib = sizeIn({ unit: "GiB", min: 1, max: 16_384 });

describe("durations, in milliseconds", () => {
  test.each([
    ["90", 90_000],
    ["0.5", 500],
    ["30s", 30_000],
    ["5m", 300_000],
    ["1h 30m", 5_400_000],
    ["1h30m", 5_400_000],
    ["1hour 30 minutes", 5_400_000],
    ["1.5s", 1500],
    ["250ms", 250],
    ["24d", 2_073_600_000],
  ])("%s", (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  test.each([
    [""],
    [" "],
    ["s"],
    ["-1s"],
    ["1x"],
    ["1h30"],
    ["1,5s"],
    ["1 2s"],
    ["1e3"],
    ["0"],
    ["0s"],
    ["25d"],
    ["1s!"],
  ])("%j is refused", (text) => {
    expect(() => parseDuration(text)).toThrow(SmolError);
  });

  test("the sum of its parts", () => {
    const parts = fc.tuple(fc.nat(100), fc.nat(100), fc.integer({ min: 1, max: 100 }));
    fc.assert(
      fc.property(parts, ([hours, minutes, seconds]) => {
        const sum = ((hours * 60 + minutes) * 60 + seconds) * 1000;
        expect(parseDuration(`${hours}h ${minutes}m${seconds}s`)).toBe(sum);
      }),
    );
  });
});

describe("sizes", () => {
  test.each([
    ["512", 512],
    ["512M", 512],
    ["512MiB", 512],
    ["512mb", 512],
    ["2G", 2048],
    ["1.5G", 1536],
    ["65536K", 64],
    ["1T", 1_048_576],
  ])("%s as MiB", (text, size) => {
    expect(mib(text)).toBe(size);
  });

  test.each([
    ["20", 20],
    ["20G", 20],
    ["1024M", 1],
    ["1T", 1024],
  ])("%s as GiB", (text, size) => {
    expect(gib(text)).toBe(size);
  });

  test.each([[""], ["-1"], ["1e3"], ["0x40"], ["G"], ["1P"], ["63"], ["100T"], ["64.5"], ["NaN"], ["1 2"]])(
    "%j is refused",
    (text) => {
      expect(() => mib(text)).toThrow(SmolError);
    },
  );

  test.each([["0"], ["256"], ["1.5"], ["-1"], [""], ["1e1"], ["0x1"]])("%j is no count up to 255", (text) => {
    expect(() => countUpTo(255)(text)).toThrow(SmolError);
  });
});

describe("limits", () => {
  test.each([
    ["nofile=1024", { name: "nofile", soft: 1024, hard: 1024 }],
    ["nofile=1024:4096", { name: "nofile", soft: 1024, hard: 4096 }],
    ["core=0:unlimited", { name: "core", soft: 0, hard: -1 }],
    ["stack=-1:-1", { name: "stack", soft: -1, hard: -1 }],
  ])("%s", (text, limit) => {
    expect(parseLimit(text)).toEqual(limit);
  });

  test.each([
    [""],
    ["nofile"],
    ["nofile="],
    ["nofile=2:1"],
    ["nofile=-1:5"],
    ["nofile=1:2:3"],
    ["files=1"],
    ["nofile=1k"],
  ])("%j is refused", (text) => {
    expect(() => parseLimit(text)).toThrow(SmolError);
  });

  test("are those that prlimit(1) knows", () => {
    if (Bun.which("prlimit") === null) throw new Error("this test needs prlimit: apt-get install util-linux");
    const { stdout } = Bun.spawnSync([
      "prlimit",
      "--noheadings",
      "--output",
      "RESOURCE",
      "--pid",
      String(process.pid),
    ]);
    const known = stdout
      .toString()
      .trim()
      .split("\n")
      .map((name) => name.trim().toLowerCase());
    expect([...LIMIT_NAMES].sort() as string[]).toEqual(known.sort());
  });
});

test.each([
  ["linux"],
  ["linux/"],
  ["/amd64"],
  ["linux/amd64/v1/x"],
  ["linux/a b"],
  ["darwin/arm64"],
  ["linux//v8"],
  [""],
])("%j is not a platform", (text) => {
  expect(() => parsePlatform(text)).toThrow(SmolError);
});

test.each([["A B=1"], ["=1"], ["A=\0"]])("%j is no line of an --env-file", (line) => {
  expect(() => parseEnvFile("env", `OK=1\n${line}\n`)).toThrow(SmolError);
});
