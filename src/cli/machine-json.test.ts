import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname } from "node:path";
import Ajv from "ajv";
import { type MachineInfo, machineJson } from "../machine/index.ts";
import { defaultSpec, type MachineState, newRecord, newState } from "../machine/model/index.ts";
import { smolvm } from "./cli.fixture.ts";

/** Programs are started from source, also on a host that has much else to do. */
setDefaultTimeout(60_000);

/** What commands print as JSON is what docs/schema/machine.schema.json promises; ajv is the judge. */

const schema = JSON.parse(
  readFileSync(`${import.meta.dir}/../../docs/schema/machine.schema.json`, "utf8"),
) as { readonly properties: Record<string, unknown>; readonly required: readonly string[] };
const isRight = new Ajv({ strict: true, allowUnionTypes: true }).compile(schema);

/** Unknown keys are allowed in what others read, for later versions; what this one prints has none. */
function expectRight(machine: unknown): void {
  expect(isRight(machine), JSON.stringify(isRight.errors)).toBe(true);
  expect(Object.keys(machine as object).filter((key) => !(key in schema.properties))).toEqual([]);
}

test("every key is always there", () => {
  expect([...schema.required].sort()).toEqual(Object.keys(schema.properties).sort());
});

describe("what the program prints", () => {
  const data = mkdtempSync(`${tmpdir()}/smolvm-json-`);
  afterAll(() => rmSync(data, { recursive: true }));

  const home = { SMOLVM_DATA_DIR: data };
  const json = (...argv: string[]): unknown => {
    const { exitCode, stdout, stderr } = smolvm(argv, home);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    return JSON.parse(stdout);
  };

  test("of created, damaged and later machines", () => {
    const full = [
      ...["--image", "nginx", "-e", "SECRET=1", "-l", "tier=front", "--entrypoint", "run", "-w", "/srv"],
      ...["-u", "www", "--restart", "on-failure:5", "--health-cmd", "true", "--ttl", "8h"],
      ...["--idle-timeout", "30m", "--on-timeout", "delete", "--pids", "100", "--disk-bps", "50M"],
      ...["--init", "true", "--init-once", "true", "--engine", "qemu"],
    ];
    expectRight(json("machine", "create", "plain", "--json"));
    expectRight(json("machine", "create", "full", "--json", ...full, "--", "serve", "it"));
    expectRight(json("machine", "status", "full", "--json"));
    for (const [name, record] of [
      ["damaged", "{"],
      ["later", '{"version": 99}'],
    ] as const) {
      const directory = dirname(smolvm(["machine", "data-dir", name], home).stdout.trim());
      mkdirSync(directory);
      writeFileSync(`${directory}/machine.json`, record);
    }
    const all = json("machine", "ls", "--json") as { readonly name: string; readonly state: string }[];
    expect(all.map(({ name, state }) => `${name}: ${state}`)).toEqual([
      "damaged: unknown",
      "full: created",
      "later: unknown",
      "plain: created",
    ]);
    all.forEach(expectRight);
    // Values of variables are for `inspect`, which adds keys of its own.
    expect(JSON.stringify(all)).not.toContain("SECRET");
    const [inspected] = json("machine", "inspect", "full") as unknown[];
    expect(isRight(inspected), JSON.stringify(isRight.errors)).toBe(true);
    expect(inspected).toMatchObject({ env: ["SECRET=1"], restart_max_backoff_secs: 300 });
  });
});

describe("a machine that has run", () => {
  const at = 1_700_000_000_123;
  const state: MachineState = {
    ...newState({ pid: 12, engine: "qemu", program: "0.1.0", startedAt: at }),
    phase: "running",
    vmmPid: 13,
    readyAt: at,
    workload: { argv: ["serve"], startedAt: at, end: null },
    restarts: 2,
    health: { status: "unhealthy", failures: 3, output: "no\n", at },
    ttlAt: at,
    idleAt: at,
  };
  const info: MachineInfo = {
    name: "web",
    status: "running",
    reason: "",
    record: newRecord(defaultSpec("web"), at),
    state,
    memoryBytes: 1024 ** 3,
  };
  const end = { exitCode: null, signal: 9, outOfMemory: true, at };

  test.each([
    ["runs", info],
    ["is left with a workload that was killed", { ...info, state: { ...state, workload: ended() } }],
    ["is stopped", { ...info, status: "stopped", memoryBytes: undefined }],
  ] as const)("and %s", (_, info) => expectRight(machineJson(info)));

  function ended(): MachineState["workload"] {
    return { argv: ["serve"], startedAt: at, end };
  }
});

test("docs/json.md explains every key", () => {
  const paper = readFileSync(`${import.meta.dir}/../../docs/json.md`, "utf8");
  const explained = new Set([...paper.matchAll(/`([a-z_]+)`/g)].map(([, word]) => word));
  expect(Object.keys(schema.properties).filter((key) => !explained.has(key))).toEqual([]);
});
