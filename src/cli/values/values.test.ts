import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { SmolError } from "../../errors.ts";
import { parseBytes } from "./bytes.ts";
import { parseDuration } from "./duration.ts";
import { parseEnvFile } from "./env-file.ts";
import { LIMIT_NAMES, parseLimit } from "./limit.ts";
import { parseMoment } from "./moment.ts";
import { parsePlatform } from "./platform.ts";
import { parseProxy } from "./proxy.ts";
import { parseRestart } from "./restart.ts";
import { countUpTo, sizeIn } from "./size.ts";

const mib = sizeIn({ what: "memory", unit: "MiB", min: 64, max: 16_777_216 });
const gib = sizeIn({ what: "storage", unit: "GiB", min: 1, max: 16_384 });

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

describe("sizes in bytes", () => {
  test.each([
    ["1", 1],
    ["1024", 1024],
    ["0.5K", 512],
    ["8G", 8 * 2 ** 30],
    ["1.5GiB", 1.5 * 2 ** 30],
    ["256mb", 256 * 2 ** 20],
    ["2T", 2 * 2 ** 40],
  ])("%s", (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  test.each([[""], ["0"], ["-1"], ["1e9"], ["8192T"], ["G"], ["1P"], ["0.1"], ["Infinity"]])(
    "%j is refused",
    (text) => {
      expect(() => parseBytes(text)).toThrow(SmolError);
    },
  );
});

describe("proxies", () => {
  test.each([
    ["http://proxy.example:3128", "http://proxy.example:3128"],
    ["https://user:secret@proxy.example", "https://user:secret@proxy.example"],
    ["proxy.example:3128", "http://proxy.example:3128"],
    ["10.0.0.1", "http://10.0.0.1"],
    ["[::1]:3128", "http://[::1]:3128"],
  ])("%s", (text, url) => {
    expect(parseProxy(text)).toBe(url);
  });

  test.each([
    [""],
    ["http://"],
    ["socks5://proxy.example"],
    ["http://a b"],
    ["proxy.example:99999"],
    ["://x"],
  ])("%j is refused", (text) => {
    expect(() => parseProxy(text)).toThrow(SmolError);
  });
});

test.each([
  ["linux/amd64", { os: "linux", architecture: "amd64" }],
  ["Linux/x86_64", { os: "linux", architecture: "amd64" }],
  ["linux/aarch64/v8", { os: "linux", architecture: "arm64", variant: "v8" }],
  ["linux/arm/v7", { os: "linux", architecture: "arm", variant: "v7" }],
  ["linux/arm/v6", { os: "linux", architecture: "arm", variant: "v6" }],
  ["linux/armhf", { os: "linux", architecture: "arm", variant: "v7" }],
  ["linux/i386", { os: "linux", architecture: "386" }],
  ["linux/amd64/v3", { os: "linux", architecture: "amd64", variant: "v3" }],
  ["linux/constructor", { os: "linux", architecture: "constructor" }],
])("the platform %s", (text, platform) => {
  expect(parsePlatform(text)).toEqual(platform);
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

describe("parseMoment", () => {
  const now = Date.UTC(2026, 0, 31, 12);

  test.each([
    ["10m", now - 600_000],
    ["90", now - 90_000],
    ["1h 30m", now - 5_400_000],
    ["1700000000", 1_700_000_000_000],
    ["1700000000.25", 1_700_000_000_250],
    ["2026-01-31T12:00:00Z", now],
    ["2026-01-31t13:00:00.5+01:00", now + 500],
    ["2026-01-31 12:00Z", now],
    ["2026-01-30", new Date(2026, 0, 30).getTime()],
  ])("%s", (text, moment) => {
    expect(parseMoment(text, now)).toBe(moment);
  });

  test.each(["", "soon", "2026-13-01", "31.1.2026", "Sat Jan 31", "-5m"])("refuses %j", (text) => {
    expect(() => parseMoment(text, now)).toThrow("not a time");
  });
});

test.each([
  ["no", "never", undefined],
  ["always", "always", undefined],
  ["On-Failure:5", "on-failure", 5],
  ["unlessstopped", "unless-stopped", undefined],
])("parseRestart %s", (text, policy, maxRetries) => {
  expect(parseRestart(text)).toEqual({ policy, maxRetries } as never);
});

test.each(["", "on-failure:", "on-failure:x", "constructor", "always:-1", ":3"])(
  "parseRestart refuses %j",
  (text) => {
    expect(() => parseRestart(text)).toThrow("must be never or always");
  },
);
