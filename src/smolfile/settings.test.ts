import { describe, expect, test } from "bun:test";
import { buildSpec } from "../machine/model/build.ts";
import type { SpecLayer } from "../machine/model/index.ts";
import { silent } from "../machine/model/layers.fixture.ts";
import { EVERYTHING } from "./everything.fixture.ts";
import { smolfileSettings } from "./settings.ts";
import { parsed } from "./smolfile.fixture.ts";

const DAY = 86_400_000;

const settings = (text: string, environment = {}) => smolfileSettings(parsed(text), environment);

/** The machine from a Smolfile, flags, and the words behind them. */
function machine(
  text: string,
  flags: Partial<SpecLayer> = {},
  words: string[] = [],
  wordsAre: "arguments" | "command" = "arguments",
) {
  return buildSpec({
    name: "box",
    ephemeral: false,
    layers: [settings(text)],
    flags: { ...silent, ...flags },
    words,
    wordsAre,
  });
}

test("every key that a machine has", () => {
  expect(settings(EVERYTHING, { HOST_VALUE: "a b" })).toEqual({
    engine: undefined,
    cpus: 2,
    memoryMib: 512,
    storageGib: 1024,
    overlayGib: 3,
    mitigations: true,
    gpu: true,
    gpuVramMib: 1024,
    image: "/project/app.tar",
    platform: "linux/arm64/v8",
    entrypoint: ["/bin/serve"],
    cmd: ["--port", "80"],
    env: ["A=1", "HOST_VALUE=a b", 'QUOTED="$x y"', "EMPTY=", "A=2", "DEV=1"],
    workdir: "/workspace",
    user: "1000:1000",
    rlimits: undefined,
    reaper: true,
    init: ["echo dev"],
    initOnce: ["echo dev once"],
    labels: { team: "web", "a.b": "" },
    restart: { policy: "on-failure", maxRetries: 0, maxBackoffMs: 300_000 },
    health: {
      command: ["curl", "-f", "http://localhost/"],
      intervalMs: 10_000,
      timeoutMs: 2000,
      retries: 5,
      startupGraceMs: 7_200_000,
    },
    ttlMs: DAY,
    idleTimeoutMs: 90_000,
    onTimeout: "delete",
    stopSignal: "SIGQUIT",
    stopTimeoutMs: 90_000,
    pids: 100,
    diskBps: 10 * 1024 ** 2,
    network: {
      egress: "list",
      allowHosts: ["example.com", "10.0.0.1", "::1", "_dmarc.example.com"],
      allowRanges: ["10.0.0.0/8", "192.168.1.1", "fd00::/8"],
    },
    ports: [{ address: "127.0.0.1", host: 3000, guest: 3000, protocol: "tcp" }],
    secrets: [
      { name: "TOKEN", from: "env", source: "MY_TOKEN" },
      { name: "KEY", from: "file", source: "/run/key" },
    ],
    sshAgent: true,
    sshAgentKeys: ["SHA256:uNiVztksCsDhcc0u9e8BrrFXVUnJnpLEvHPIRrxzYns"],
    mountSockets: undefined,
    exposeSockets: undefined,
    volumes: [{ kind: "bind", source: "/project", target: "/workspace", readOnly: false }],
    tmpfs: undefined,
  });
});

test("an empty file says nothing", () => {
  expect(settings("")).toEqual({ ...silent, env: [] });
  expect(settings("entrypoint = []\ncmd = []\n[dev]\ninit = []")).toEqual({ ...silent, env: [] });
});

test("an entrypoint of one empty word removes the image's", () => {
  expect(settings("entrypoint = ['']").entrypoint).toEqual([]);
});

describe("images: paths are those of the file's directory", () => {
  test.each([
    ["alpine", "alpine"],
    ["ghcr.io/a/b:1", "ghcr.io/a/b:1"],
    ["./x.tar", "/project/x.tar"],
    ["x.tar", "/project/x.tar"],
    ["../x/root", "/x/root"],
    ["sub/x.tar.gz:name:tag", "/project/sub/x.tar.gz:name:tag"],
    [".", "/project"],
    ["/abs/x.tar", "/abs/x.tar"],
  ])("%s", (written, image) => {
    expect(settings(`image = "${written}"`).image).toBe(image);
  });
});

describe("time spans: one grammar", () => {
  test.each([
    ["'10s'", 10_000],
    ["'5m'", 300_000],
    ["'2h'", 7_200_000],
    ["'42'", 42_000],
    ["42", 42_000],
    ["0.5", 500],
    ["'1h 30m'", 5_400_000],
    ["'1m30s'", 90_000],
    ["'500ms'", 500],
    // Upstream ignores what overflows, so files with it exist.
    ["'18446744073709551616h'", 24 * DAY],
    ["'99999999999999999999'", 24 * DAY],
    ["'25d'", 24 * DAY],
  ])("%s", (written, milliseconds) => {
    expect(settings(`[health]\ninterval = ${written}`).health).toMatchObject({ intervalMs: milliseconds });
  });
});

describe("precedence: defaults, the file, its [dev], the flags", () => {
  test.each([
    ["cpus = 2", {}, { cpus: 2 }],
    // A flag wins also where it says the default.
    ["cpus = 2", { cpus: 4 }, { cpus: 4 }],
    ["memory = 512", { memoryMib: 8192 }, { memoryMib: 8192 }],
    ["storage = 5\noverlay = 6", { overlayGib: 10 }, { storageGib: 5, overlayGib: 10 }],
    ["image = 'a'", {}, { image: "a" }],
    ["image = 'a'", { image: "b" }, { image: "b" }],
    ["mitigations = true", { mitigations: false }, { mitigations: false }],
    ["gpu = true\ngpu_vram = 7", { gpuVramMib: 8 }, { gpu: true, gpuVramMib: 8 }],
    ["workdir = '/top'", {}, { workdir: "/top" }],
    ["workdir = '/top'\ndev.workdir = '/dev'", {}, { workdir: "/dev" }],
    ["workdir = '/top'\ndev.workdir = '/dev'", { workdir: "/flag" }, { workdir: "/flag" }],
    ["user = 'a'", { user: "b" }, { user: "b" }],
    [
      "env = ['A=1', 'B=1', 'C=1']\ndev.env = ['B=2', 'C=2']",
      { env: ["C=3", "D=3"] },
      { env: ["A=1", "B=2", "C=3", "D=3"] },
    ],
    ["init = ['a']", { init: ["z"] }, { init: ["a", "z"] }],
    ["init = ['a']\ndev.init = ['b']", { init: ["z"] }, { init: ["b", "z"] }],
    ["init = ['a']\ndev.init = []", {}, { init: ["a"] }],
    ["init_once = ['a']\ndev.init_once = ['b']", { initOnce: ["z"] }, { initOnce: ["b", "z"] }],
    ["labels = { a = '1', b = '1' }", { labels: { b: "2" } }, { labels: { a: "1", b: "2" } }],
    [
      "[restart]\npolicy = 'always'\nmax_retries = 2",
      { restart: { policy: "never" } },
      { restart: { policy: "never", maxRetries: 2, maxBackoffMs: 300_000 } },
    ],
    [
      "[health]\nexec = ['a']\nretries = 9",
      { health: { command: ["b"] } },
      { health: { command: ["b"], retries: 9, intervalMs: 5000, timeoutMs: 5000, startupGraceMs: 0 } },
    ],
    ["[health]\nexec = ['a']", { health: null }, { health: null }],
    ["[health]\nretries = 9", {}, { health: null }],
    ["ttl = '1h'", { ttlMs: 1000 }, { ttlMs: 1000 }],
    ["stop_signal = 'SIGINT'\nstop_timeout = 0", {}, { stopSignal: "SIGINT", stopTimeoutMs: 0 }],
  ] as [string, Partial<SpecLayer>, object][])("%j with %j", (text, flags, expected) => {
    expect(machine(text, flags)).toMatchObject(expected);
  });

  const COMMAND = "entrypoint = ['serve']\ncmd = ['--quiet']";

  test.each([
    [COMMAND, [], [["serve"], ["--quiet"]], [["serve"], ["--quiet"]]],
    [COMMAND, ["sh", "-c", "x"], [["serve"], ["sh", "-c", "x"]], [[], ["sh", "-c", "x"]]],
    ["cmd = ['--quiet']", ["sh"], [null, ["sh"]], [null, ["sh"]]],
    ["entrypoint = ['serve']", [], [["serve"], []], [["serve"], []]],
    ["", ["sh"], [null, ["sh"]], [null, ["sh"]]],
  ] as [string, string[], unknown[], unknown[]][])("words behind %j: %j", (text, words, created, run) => {
    const command = ({ entrypoint, cmd }: ReturnType<typeof machine>) => [entrypoint, cmd];
    expect(command(machine(text, {}, words, "arguments"))).toEqual(created as never);
    expect(command(machine(text, {}, words, "command"))).toEqual(run as never);
  });
});

test("a network: all of it, or what a list has, however short", () => {
  const network = (text: string) => machine(text).network;
  expect(network("")).toBeNull();
  expect(network("net = false")).toBeNull();
  expect(network("net = true")).toMatchObject({ egress: "all" });
  expect(network('net = true\n[network]\nallow_hosts = ["a.test:443"]')).toMatchObject({
    egress: "list",
    allowHosts: ["a.test:443"],
  });
  // Whoever writes down a list without an entry does not mean everything.
  expect(network("net = true\n[network]\nallow_hosts = []")).toMatchObject({
    egress: "list",
    allowHosts: [],
  });
  expect(network("[network]\nallow_hosts = []")).toBeNull();
  expect(network("[network]\n")).toBeNull();
});
