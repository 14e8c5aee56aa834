import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ProtocolError } from "./frame.ts";
import {
  checkExecControl,
  checkExecEvent,
  checkExecRequest,
  checkExecResult,
  checkFailure,
  checkHello,
} from "./messages.ts";

const request = { argv: ["a"], env: ["A=b"], cwd: "/", user: "", stdin: false };

test("a complete exec request passes, and nothing else comes with it", () => {
  const full = {
    ...request,
    tty: { columns: 80, rows: 24 },
    rlimits: [{ name: "nofile", soft: 1, hard: -1 }],
  };
  expect(checkExecRequest({ ...full, extra: 1 })).toEqual(full);
});

describe("malformed exec requests", () => {
  const wrong: Record<string, unknown>[] = [
    { argv: "a" },
    { argv: [1] },
    { argv: ["a\0b"] },
    { env: ["a\0"] },
    { cwd: "relative" },
    { cwd: "" },
    { user: 7 },
    { env: "A=b" },
    { cwd: "/a\0b" },
    { cwd: `/${"x".repeat(5000)}` },
    { user: "x".repeat(300) },
    { user: "a\0" },
    { stdin: 1 },
    { tty: {} },
    { tty: { columns: -1, rows: 1 } },
    { tty: { columns: 65_536, rows: 1 } },
    { tty: { columns: 1.5, rows: 1 } },
    { rlimits: {} },
    { rlimits: [{ name: "nofile", soft: "1", hard: 1 }] },
    { rlimits: [{ name: "nofile", soft: 1e19, hard: -1 }] },
    { rlimits: [{ name: "nofile", soft: -2, hard: -1 }] },
    { rlimits: Array.from({ length: 17 }, () => ({ name: "cpu", soft: 1, hard: 1 })) },
  ];
  for (const change of wrong) {
    test(JSON.stringify(change).slice(0, 60), () =>
      expect(() => checkExecRequest({ ...request, ...change })).toThrow(ProtocolError),
    );
  }
});

test("results, answers and failures are checked", () => {
  expect(checkExecResult({ exitCode: 0 })).toEqual({ exitCode: 0 });
  expect(checkExecResult({ signal: 9 })).toEqual({ signal: 9 });
  expect(checkExecResult({ halted: "poweroff" })).toEqual({ halted: "poweroff" });
  for (const value of [
    null,
    {},
    { exitCode: 256 },
    { exitCode: -1 },
    { exitCode: 1.5 },
    { signal: 128 },
    { signal: "9" },
    { halted: "kexec" },
  ])
    expect(() => checkExecResult(value)).toThrow(ProtocolError);
  for (const value of [
    null,
    {},
    { code: "x" },
    { code: 1, message: "" },
    { code: "x", message: "m".repeat(5000) },
  ])
    expect(() => checkFailure(value)).toThrow(ProtocolError);
});

test("control messages and events are checked", () => {
  expect(checkExecControl({ type: "signal", signal: 15 })).toEqual({ type: "signal", signal: 15 });
  expect(checkExecControl({ type: "resize", columns: 1, rows: 2 })).toEqual({
    type: "resize",
    columns: 1,
    rows: 2,
  });
  for (const value of [
    null,
    {},
    { type: "signal", signal: 65 },
    { type: "signal" },
    { type: "resize", columns: 1 },
  ])
    expect(() => checkExecControl(value)).toThrow(ProtocolError);
  expect(checkExecEvent({ type: "out_of_memory", extra: 1 })).toEqual({ type: "out_of_memory" });
  expect(checkExecEvent({ type: "of_a_later_version", value: 1 })).toBeUndefined();
  for (const value of [null, {}, { type: 1 }, []]) expect(() => checkExecEvent(value)).toThrow(ProtocolError);
});

test("any JSON value is accepted or refused with a ProtocolError", () => {
  const checks = [
    checkExecControl,
    checkExecEvent,
    checkExecRequest,
    checkExecResult,
    checkFailure,
    checkHello,
  ];
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(...checks), (value, check) => {
      try {
        check(value);
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError);
      }
    }),
    { numRuns: 3000 },
  );
});
