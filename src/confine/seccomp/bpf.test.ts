import { expect, test } from "bun:test";
import { Action, assemble, type Filter } from "./bpf.ts";

/** Runs a filter as the kernel does, on a `struct seccomp_data` of zeros but for these fields; X is loaded with PID. */
function run(program: Buffer, call: { arch: number; number: number; values?: readonly bigint[] }): number {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(call.number >>> 0, 0);
  data.writeUInt32LE(call.arch >>> 0, 4);
  for (const [index, value] of (call.values ?? []).entries()) data.writeBigUInt64LE(value, 16 + 8 * index);
  let accumulator = 0;
  let own = -1;
  for (let at = 0; ; at++) {
    const code = program.readUInt16LE(at * 8);
    const value = program.readUInt32LE(at * 8 + 4);
    const jump = (taken: boolean) => {
      at += program[at * 8 + (taken ? 2 : 3)] ?? 0;
    };
    if (code === 0x20) accumulator = data.readUInt32LE(value);
    else if (code === 0x54) accumulator = (accumulator & value) >>> 0;
    else if (code === 0x01) own = PID;
    else if (code === 0x1d) jump(accumulator === own);
    else if (code === 0x15) jump(accumulator === value);
    else if (code === 0x35) jump(accumulator >= value);
    else if (code === 0x06) return value;
    else throw new Error(`instruction ${code.toString(16)}`);
  }
}

const ARCH = 0xc000003e;
/** What the launcher writes in place of `ownProcess`. */
const PID = 4711;
const filter: Filter = {
  architecture: ARCH,
  otherwise: Action.killProcess,
  unknownFrom: 500,
  rules: [
    { number: 1 },
    { number: 2, checks: [{ argument: 1, values: [5, 0xffffffff, 7] }], otherwise: Action.errno(25) },
    {
      number: 3,
      checks: [
        { argument: 0, mask: 0xff, values: [1] },
        { argument: 2, values: [0, 4] },
      ],
    },
    { number: 4, refused: true, otherwise: Action.errno(38) },
    {
      number: 5,
      checks: [
        { argument: 0, values: "ownProcess" },
        { argument: 1, half: "high", values: [0] },
      ],
    },
    { number: 6, checks: [{ argument: 1, mask: 0xff00, values: [0x6400] }], orNext: true },
    { number: 6, checks: [{ argument: 1, values: [0x5401] }], otherwise: Action.errno(25) },
  ],
};
const program = assemble(filter);
const result = (number: number, ...values: number[]) =>
  run(program, { arch: ARCH, number, values: values.map(BigInt) });

test("a call passes when it is in the list, and its arguments are", () => {
  expect(result(1, 99)).toBe(Action.allow);
  for (const value of [5, 0xffffffff, 7]) expect(result(2, 0, value)).toBe(Action.allow);
  for (const value of [0, 4, 6, 8]) expect(result(2, 5, value)).toBe(Action.errno(25));
  expect(result(3, 0x101, 0, 4)).toBe(Action.allow);
  expect(result(3, 0x102, 0, 4)).toBe(Action.killProcess);
  expect(result(3, 1, 0, 1)).toBe(Action.killProcess);
});

test("what one rule does not let pass is the next one's of the same call", () => {
  for (const value of [0x6400, 0x64ff, 0xc0106401, 0x5401]) expect(result(6, 0, value)).toBe(Action.allow);
  for (const value of [0x5402, 0x6500]) expect(result(6, 0, value)).toBe(Action.errno(25));
});

test("an argument is compared with the process's own id, and by its high half where that counts", () => {
  expect(result(5, PID, 0xffffffff)).toBe(Action.allow);
  expect(result(5, PID + 1, 0)).toBe(Action.killProcess);
  expect(result(5, 0, 0)).toBe(Action.killProcess);
  expect(result(5, PID, 2 ** 32)).toBe(Action.killProcess);
});

test("what is refused, forbidden, unknown, of x32 or of another architecture does not pass", () => {
  expect(result(4)).toBe(Action.errno(38));
  expect(result(0)).toBe(Action.killProcess);
  expect(result(499)).toBe(Action.killProcess);
  expect(result(500)).toBe(Action.errno(38));
  expect(result(0x40000001)).toBe(Action.killProcess);
  expect(run(program, { arch: 0x40000003, number: 1 })).toBe(Action.killProcess);
});

test("a list that no jump can pass is refused when it is made", () => {
  const values = Array.from({ length: 300 }, (_, index) => index);
  const rules = [{ number: 1, checks: [{ argument: 0, values }] }];
  expect(() => assemble({ ...filter, rules })).toThrow("too long");
});
