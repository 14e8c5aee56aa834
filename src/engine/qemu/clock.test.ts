import { expect, test } from "bun:test";
import { emulatedClockParameters } from "./clock.ts";

const cpuinfo = (flags: string, bogomips: string) =>
  `processor\t: 0\nmodel name\t: x\nflags\t\t: fpu ${flags} sse\nbogomips\t: ${bogomips}\nTLB size\t: 1\n`;

test("the TSC's rate is half of BogoMIPS where it is constant", () => {
  expect(emulatedClockParameters(cpuinfo("constant_tsc nonstop_tsc", "5192.24"))).toEqual([
    "tsc=reliable",
    "no_timer_check",
    "tsc_early_khz=2596120",
    "lpj=10384480",
  ]);
});

test("without a rate that can be trusted the guest measures by itself", () => {
  expect(emulatedClockParameters(cpuinfo("tsc", "5192.24"))).toEqual([]);
  for (const bogomips of ["0.00", "50.00", "99999999.00", "x"]) {
    expect(emulatedClockParameters(cpuinfo("constant_tsc", bogomips))).toEqual([]);
  }
  expect(emulatedClockParameters("")).toEqual([]);
});
