import { expect, test } from "bun:test";
import { buildSpec } from "../../machine/model/build.ts";
import { defaultSpec, type SpecLayer } from "../../machine/model/index.ts";
import { program } from "../commands/index.ts";
import { parse } from "../parse/index.ts";
import type { Values } from "../program/types.ts";
import { machineLayer } from "./machine-layer.ts";
import { changeOptions, machineOptions } from "./machine-options.ts";

async function layerOf(...words: string[]): Promise<SpecLayer> {
  const parsed = parse(program, ["machine", "create", ...words]);
  if (parsed.kind !== "command") throw new Error(`not a command: ${parsed.kind}`);
  return machineLayer(parsed.invocation.values as Values<typeof machineOptions>);
}

const specOf = (flags: SpecLayer) =>
  buildSpec({ name: "x", ephemeral: false, layers: [], flags, words: [], wordsAre: "arguments" });

test("options that are not given say nothing: a Smolfile below them is heard", async () => {
  const { restart, health, ...rest } = await layerOf("x");
  const saysNothing = (layer: object | null | undefined) =>
    Object.values(layer ?? {}).every((value) => value === undefined);
  expect([rest, restart, health].every(saysNothing)).toBe(true);
  expect(specOf(await layerOf("x"))).toEqual(defaultSpec("x"));
});

const KEY = "SHA256:uNiVztksCsDhcc0u9e8BrrFXVUnJnpLEvHPIRrxzYns";

test("every option says what it means", async () => {
  const words = [
    [
      "-I",
      "alpine",
      "--platform",
      "linux/arm/v7",
      "--entrypoint",
      "/init",
      "-eA=1",
      "-e",
      "B=",
      "-w",
      "/srv",
    ],
    ["-u", "7:8", "--ulimit", "nofile=5:6", "--reaper", "--init", "a b", "--init", "c", "--init-once", "d"],
    ["--cpus", "2", "--mem", "1G", "--storage", "3", "--overlay", "4", "--pids", "100", "--disk-bps", "50M"],
    ["--gpu", "--gpu-vram", "2G"],
    ["--mitigations", "--engine", "qemu", "-l", "a=b=c", "--label", "d", "--restart", "on-failure:3"],
    ["--restart-backoff", "1m", "--health-cmd", "true || false", "--health-interval", "7"],
    ["--health-timeout", "8s", "--health-retries", "9", "--health-start-period", "10s", "--ttl", "30d"],
    ["--net", "--allow-host", "A.test:443", "--allow-cidr", "10.0.0.0/8", "--allow-preset", "npm"],
    ["--allow-host-loopback", "--no-sni-check", "--dns", "192.0.2.53", "--add-host", "DB:10.0.0.5"],
    ["--proxy-env", "-p", "8080:80", "--publish", "0.0.0.0:53:53/udp", "--net-backend", "virtio-net"],
    ["--idle-timeout", "1h", "--on-timeout", "delete", "--stop-signal", "QUIT", "--stop-timeout", "0"],
    ["--secret-env", "A=B", "--secret-file", "C=/d=e", "--ssh-agent-key", KEY, "--mount-socket", "h:/g"],
    ["--mount-socket", "/a:b:/c", "--expose-socket", "/e", "--expose-socket=/f:g"],
    ["-v", "/a:/b/:ro", "-vdata:/c", "--mount", "type=bind,src=./x,dst=/d,readonly", "--tmpfs", "/t:size=1m"],
    ["--mount", "type=tmpfs,target=/u,tmpfs-mode=700"],
  ];
  expect(specOf(await layerOf(...words.flat(), "x"))).toEqual({
    name: "x",
    ephemeral: false,
    imageId: null,
    image: "alpine",
    platform: "linux/arm/v7",
    entrypoint: ["/init"],
    cmd: [],
    env: ["A=1", "B="],
    workdir: "/srv",
    user: "7:8",
    rlimits: [{ name: "nofile", soft: 5, hard: 6 }],
    reaper: true,
    init: ["a b", "c"],
    initOnce: ["d"],
    cpus: 2,
    memoryMib: 1024,
    storageGib: 3,
    overlayGib: 4,
    pids: 100,
    diskBps: 50 * 2 ** 20,
    network: {
      egress: "list",
      allowHosts: ["a.test:443"],
      allowRanges: ["10.0.0.0/8"],
      allowPresets: ["npm"],
      packedRules: [],
      hostLoopback: true,
      checkServerName: false,
      dns: ["192.0.2.53"],
      addHosts: ["db:10.0.0.5"],
      join: null,
      proxyEnv: true,
    },
    ports: [
      { address: "127.0.0.1", host: 8080, guest: 80, protocol: "tcp" },
      { address: "0.0.0.0", host: 53, guest: 53, protocol: "udp" },
    ],
    mitigations: true,
    gpu: true,
    gpuVramMib: 2048,
    engine: "qemu",
    labels: { a: "b=c", d: "" },
    restart: { policy: "on-failure", maxRetries: 3, maxBackoffMs: 60_000 },
    health: {
      command: ["/bin/sh", "-c", "true || false"],
      intervalMs: 7000,
      timeoutMs: 8000,
      retries: 9,
      startupGraceMs: 10_000,
    },
    ttlMs: 30 * 86_400_000,
    idleTimeoutMs: 3_600_000,
    onTimeout: "delete",
    stopSignal: "QUIT",
    stopTimeoutMs: 0,
    secrets: [
      { name: "A", from: "env", source: "B" },
      { name: "C", from: "file", source: "/d=e" },
    ],
    sshAgent: true,
    sshAgentKeys: [KEY],
    mountSockets: [
      { host: `${process.cwd()}/h`, guest: "/g" },
      { host: "/a:b", guest: "/c" },
    ],
    exposeSockets: [
      { guest: "/e", host: null },
      { guest: "/f", host: `${process.cwd()}/g` },
    ],
    volumes: [
      { kind: "bind", source: "/a", target: "/b", readOnly: true },
      { kind: "volume", source: "data", target: "/c", readOnly: false },
      { kind: "bind", source: "./x", target: "/d", readOnly: true },
    ],
    tmpfs: [
      { target: "/t", sizeBytes: 1_048_576, mode: 0o1777, exec: false },
      { target: "/u", sizeBytes: null, mode: 0o700, exec: false },
    ],
  });
});

test("what is taken away is said, too", async () => {
  const words = ["--health-cmd", "none", "--ttl", "none", "--idle-timeout=none", "--pids", "none"];
  const more = [
    "--disk-bps",
    "none",
    "--entrypoint",
    "",
    "--reaper=off",
    "--mitigations=off",
    "--ssh-agent=off",
    "--ssh-agent-key=none",
  ];
  expect(await layerOf(...words, ...more)).toMatchObject({
    health: null,
    ttlMs: null,
    idleTimeoutMs: null,
    pids: null,
    diskBps: null,
    entrypoint: [],
    reaper: false,
    sshAgent: false,
    sshAgentKeys: [],
    mitigations: false,
  });
});

test("a policy without a number has no limit, whatever a weaker source said", async () => {
  expect((await layerOf("--restart", "always")).restart).toMatchObject({ policy: "always", maxRetries: 0 });
  expect((await layerOf("--restart-backoff", "9s")).restart).toEqual({
    policy: undefined,
    maxRetries: undefined,
    maxBackoffMs: 9000,
  });
});

test("the defaults that the help tells are those of machines", async () => {
  const said = ["memory", "storage", "overlay", "onTimeout", "stopTimeout", "restartBackoff"] as const;
  const words = said.flatMap((key) => {
    const { long, defaultText } = machineOptions[key];
    return [`--${long}`, defaultText ?? ""];
  });
  expect(specOf(await layerOf(...words))).toEqual(defaultSpec("x"));
  const health = ["healthInterval", "healthTimeout", "healthRetries", "healthGrace"] as const;
  const healthWords = health.flatMap((key) => [
    `--${machineOptions[key].long}`,
    machineOptions[key].defaultText ?? "",
  ]);
  const command = ["--health-cmd", "true"];
  expect(specOf(await layerOf(...command, ...healthWords))).toEqual(specOf(await layerOf(...command)));
});

test("a change has no defaults", () => {
  expect(Object.values(changeOptions).filter(({ defaultText }) => defaultText !== undefined)).toEqual([]);
});
