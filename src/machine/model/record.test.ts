import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { defaultSpec } from "./defaults.ts";
import { newRecord, parseRecord, RECORD_VERSION } from "./record.ts";
import { parseState } from "./state.ts";

const record = newRecord({ ...defaultSpec("box"), cpus: 2, labels: { tier: "web" } }, 1_700_000_000_000);
const text = JSON.stringify(record);

/** What is read from the record with some of it replaced. */
const read = (changes: object) => parseRecord(JSON.stringify({ ...record, ...changes }), "box");

describe("a record", () => {
  test("is read as it was written", () => {
    expect(parseRecord(text, "box")).toEqual({ kind: "record", record });
  });

  test("keeps what a newer program of the same version has added", () => {
    const found = read({ colour: "blue" });
    if (found.kind !== "record") throw new Error(found.kind);
    expect(JSON.parse(JSON.stringify(found.record))).toHaveProperty("colour", "blue");
  });

  test("gets defaults for what an older program did not know", () => {
    const { idleTimeoutMs: _, stopTimeoutMs: __, ...older } = record;
    expect(parseRecord(JSON.stringify(older), "box")).toEqual({ kind: "record", record });
  });

  test("of a later version is told apart, whatever it has become", () => {
    expect(read({ version: RECORD_VERSION + 1, cpus: "many" })).toEqual({
      kind: "newer",
      version: RECORD_VERSION + 1,
    });
  });

  test("of the first version is brought up to date", () => {
    const first = {
      version: 1,
      name: "box",
      ephemeral: true,
      engine: "qemu",
      cpus: 1,
      memoryMib: 512,
      storageGib: 20,
      overlayGib: 2,
      mitigations: false,
      image: null,
      imageId: null,
      entrypoint: ["/entry"],
      cmd: ["serve"],
      env: ["A=1"],
      workdir: "/",
      user: "",
      pid: 7,
      createdAt: 1_700_000_000,
      state: "running",
    };
    const found = parseRecord(JSON.stringify(first), "box");
    if (found.kind !== "record") throw new Error(JSON.stringify(found));
    expect(found.record).toMatchObject({ version: 2, createdAt: 1_700_000_000_000, cpus: 1, user: null });
    expect(found.record).not.toHaveProperty("pid");
  });

  test.each<[string, string]>([
    ["nothing", ""],
    ["half of it", text.slice(0, text.length / 2)],
    ["a list", "[]"],
    ["null", "null"],
    ["no version", "{}"],
    ["a version that never was", '{"version":0}'],
    ["a version that is no number", '{"version":"2"}'],
    ["the record of another machine", JSON.stringify({ ...record, name: "other" })],
    ["no processors", JSON.stringify({ ...record, cpus: 0 })],
    ["a policy that does not exist", JSON.stringify({ ...record, restart: { policy: "sometimes" } })],
    ["an environment that is no list", JSON.stringify({ ...record, env: "A=1" })],
  ])("that is %s is damaged, with a reason", (_, text) => {
    const found = parseRecord(text, "box");
    expect(found).toMatchObject({ kind: "damaged", reason: expect.stringMatching(/./) });
  });

  test.each<[string, object, string]>([
    ["a whole one", {}, "record"],
    ["one whose fields are of other kinds", { cpus: "2" }, "damaged"],
    ["one that lacks a list", { env: null }, "damaged"],
    ["one of a later version", { version: 3 }, "newer"],
    ["one of another machine", { name: "other" }, "damaged"],
    ["one that an older program wrote", { idleTimeoutMs: undefined }, "record"],
  ])("is looked at in outline for a listing: %s", (_, changes, kind) => {
    expect(parseRecord(JSON.stringify({ ...record, ...changes }), "box", "outline").kind).toBe(
      kind as "record",
    );
  });

  test("that is anything at all is an answer, never an error", () => {
    const mutated = fc
      .tuple(fc.constantFrom(...Object.keys(record)), fc.jsonValue())
      .map(([key, value]) => JSON.stringify({ ...record, [key]: value }));
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), mutated), (text) => {
        for (const depth of ["whole", "outline"] as const)
          expect(["record", "newer", "damaged"]).toContain(parseRecord(text, "box", depth).kind);
        parseState(text);
      }),
      { numRuns: 2000 },
    );
  });
});
