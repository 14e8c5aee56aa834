import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { SmolError } from "../../errors.ts";
import { buildSpec, type SpecSources } from "./build.ts";
import { defaultSpec } from "./defaults.ts";
import { silent } from "./layers.fixture.ts";
import type { SpecLayer } from "./layers.ts";

type Some = Partial<SpecLayer>;

/** The description from layers, the last of which are the flags. */
function built(layers: readonly Some[], sources: Partial<SpecSources> = {}) {
  const [flags = silent, ...below] = layers.map((layer) => ({ ...silent, ...layer })).toReversed();
  return buildSpec({
    name: "box",
    ephemeral: false,
    layers: below.toReversed(),
    flags,
    words: [],
    wordsAre: "arguments",
    ...sources,
  });
}

const failure = (message: string, code = "machine.bad_setting") => expect.objectContaining({ code, message });

test("nothing said: the defaults", () => {
  expect(built([])).toEqual(defaultSpec("box"));
  expect(built([{}, {}], { ephemeral: true })).toEqual({ ...defaultSpec("box"), ephemeral: true });
});

test("a source that forgets a field does not compile", () => {
  const { pids: _, ...forgetful } = silent;
  // @ts-expect-error pids is missing
  const layer: SpecLayer = forgetful;
  expect(layer.pids).toBeUndefined();
});

test("what is said later wins, also when it is the default", () => {
  const below = { cpus: 2, memoryMib: 512, storageGib: 5, mitigations: true, ttlMs: 1000, pids: 7 };
  const { cpus, memoryMib, ttlMs } = defaultSpec("box");
  expect(built([below, { cpus, memoryMib, mitigations: false, ttlMs }])).toEqual({
    ...defaultSpec("box"),
    storageGib: 5,
    pids: 7,
  });
});

test("lists are joined, variables and labels by name", () => {
  const spec = built([
    { env: ["A=1", "B=1"], init: ["a"], initOnce: ["x"], labels: { a: "1", b: "1" } },
    { env: ["C=2", "A=2"], init: ["b"], labels: { b: "2" } },
    { env: ["B="], init: ["c"], initOnce: ["y"] },
  ]);
  expect(spec).toMatchObject({
    env: ["A=2", "B=", "C=2"],
    init: ["a", "b", "c"],
    initOnce: ["x", "y"],
    labels: { a: "1", b: "2" },
  });
});

test("limits are replaced by name", () => {
  const limit = (name: string, soft: number) => ({ name, soft, hard: soft });
  const layers = [{ rlimits: [limit("nofile", 1), limit("core", 0)] }, { rlimits: [limit("nofile", 2)] }];
  expect(built(layers).rlimits).toEqual([limit("core", 0), limit("nofile", 2)]);
});

test("an empty working directory or user is the image's", () => {
  expect(built([{ workdir: "/a", user: "u" }])).toMatchObject({ workdir: "/a", user: "u" });
  expect(
    built([
      { workdir: "/a", user: "u" },
      { workdir: "", user: "" },
    ]),
  ).toMatchObject({
    workdir: null,
    user: null,
  });
});

test("restarts and health checks may be said in parts", () => {
  const spec = built([
    { restart: { policy: "always", maxRetries: 3 }, health: { intervalMs: 1000, command: ["a"] } },
    { restart: { policy: "never", maxBackoffMs: undefined }, health: { command: ["b"], retries: 9 } },
  ]);
  expect(spec.restart).toEqual({ policy: "never", maxRetries: 3, maxBackoffMs: 300_000 });
  expect(spec.health).toEqual({
    command: ["b"],
    intervalMs: 1000,
    timeoutMs: 5000,
    retries: 9,
    startupGraceMs: 0,
  });
});

test("a health check without a command is none, and can be taken away", () => {
  expect(built([{ health: { retries: 1 } }]).health).toBeNull();
  expect(built([{ health: { command: [] } }]).health).toBeNull();
  expect(built([{ health: { command: ["a"] } }, { health: null }]).health).toBeNull();
  expect(built([{ health: { retries: 1 } }, { health: { command: ["a"] } }]).health).toMatchObject({
    retries: 1,
  });
});

describe("entrypoint, cmd and the words behind the flags", () => {
  const file = { entrypoint: ["serve"], cmd: ["--quiet"] };
  const command = (layers: readonly Some[], words: string[], wordsAre: "arguments" | "command") => {
    const { entrypoint, cmd } = built(layers, { words, wordsAre });
    return [entrypoint, cmd];
  };

  test.each([
    // The layers (the last are the flags), the words, then what create and run make of them.
    [[{}], [], [null, []], [null, []]],
    [[{}], ["a", "b"], [null, ["a", "b"]], [null, ["a", "b"]]],
    [[file, {}], [], [["serve"], ["--quiet"]], [["serve"], ["--quiet"]]],
    [[file, {}], ["sh"], [["serve"], ["sh"]], [[], ["sh"]]],
    [[{ cmd: ["x"] }, {}], ["sh"], [null, ["sh"]], [null, ["sh"]]],
    [[{ entrypoint: [] }, {}], ["sh"], [[], ["sh"]], [[], ["sh"]]],
    [[file, { entrypoint: ["own"] }], [], [["own"], []], [["own"], []]],
    [[file, { entrypoint: ["own"] }], ["a"], [["own"], ["a"]], [["own"], ["a"]]],
    [[file, { entrypoint: [] }], ["a"], [[], ["a"]], [[], ["a"]]],
    [[file, { entrypoint: null }], [], [null, []], [null, []]],
    [[file, { cmd: ["z"] }, {}], [], [["serve"], ["z"]], [["serve"], ["z"]]],
    [[file, { entrypoint: ["y"] }, {}], [], [["y"], []], [["y"], []]],
  ] as [Some[], string[], unknown, unknown][])("%j with %j", (layers, words, created, run) => {
    expect(command(layers, words, "arguments")).toEqual(created as never);
    expect(command(layers, words, "command")).toEqual(run as never);
  });
});

describe("what no machine can be", () => {
  test.each([
    [{ cpus: 0 }, "cpus must be at least 1 (got 0)"],
    [{ cpus: 256 }, "cpus must be at most 255 (got 256)"],
    [{ memoryMib: 1 }, "memory must be at least 64 MiB (got 1 MiB)"],
    [{ storageGib: 0 }, "storage must be at least 1 GiB (got 0 GiB)"],
    [{ overlayGib: 0 }, "overlay must be at least 1 GiB (got 0 GiB)"],
    [{ overlayGib: 94_244_804_948 }, "overlay must be at most 16384 GiB (got 94244804948 GiB)"],
    [{ restart: { maxBackoffMs: 1 } }, "restart.maxBackoffMs must be at least 1000 (got 1)"],
    [{ ttlMs: 0 }, "ttl must be at least 1 ms (got 0 ms)"],
    [{ env: ["SECRET"] }, "each variable must be NAME=value"],
    [{ workdir: "a" }, 'the working directory must be an absolute path in the guest, not "a"'],
    [{ stopSignal: "SIGX" }, 'there is no stop signal "SIGX"'],
    [{ cmd: ["a\0"] }, "no word or variable can have a NUL character"],
    [{ cpus: 1.5 }, "cpus: Invalid integer: Received 1.5"],
  ] as [Some, string][])("%j", (layer, message) => {
    expect(() => built([layer])).toThrow(failure(message));
  });

  test("a name", () => {
    expect(() => built([], { name: "a b" })).toThrow(
      failure('not a machine name: "a b"', "machine.bad_name"),
    );
  });

  test("whatever sources say, it is a machine or a SmolError", () => {
    const number = fc.oneof(fc.integer({ min: -1, max: 300 }), fc.double(), fc.maxSafeInteger());
    const words = fc.array(fc.string({ unit: "binary", maxLength: 5 }), { maxLength: 3 });
    const layer = fc.record(
      {
        cpus: number,
        memoryMib: number,
        env: words,
        cmd: words,
        entrypoint: fc.option(words),
        workdir: fc.string(),
        stopSignal: fc.string(),
        restart: fc.record({ maxRetries: number }),
        health: fc.option(fc.record({ command: words, retries: number })),
        labels: fc.dictionary(fc.string(), fc.string()),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.array(layer, { maxLength: 3 }), words, (layers, given) => {
        try {
          const spec = built(layers, { words: given, wordsAre: "command" });
          expect(spec.cpus).toBeInteger();
          if (given.length > 0) expect(spec.cmd).toEqual(given);
        } catch (error) {
          if (!(error instanceof SmolError)) throw error;
          expect(error.code).toBe("machine.bad_setting");
        }
      }),
    );
  });
});
