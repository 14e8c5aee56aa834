import { expect, test } from "bun:test";
import fc from "fast-check";
import { hasVirtualizationFlag } from "./cpu.ts";
import { parseTrial, tryKrun } from "./krun.ts";

test("believes the process that tried only when it said so", () => {
  expect(parseTrial("ok KVM runs guests\n")).toEqual({ works: true, reason: "KVM runs guests" });
  expect(parseTrial("failed KVM_RUN: errno 14\n")).toMatchObject({
    works: false,
    reason: "KVM_RUN: errno 14",
  });
  for (const output of ["", "ok", "ok \n", "okay\n", "ok a\nok b\n", "ok \u001b[31mred\n"]) {
    expect(parseTrial(output)).toMatchObject({ works: false, reason: "the process that tried KVM died" });
  }
});

test("whatever that process says, the answer is one printable line", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (output) => {
      expect(parseTrial(output).reason).toMatch(/^[ -~]{1,300}$/);
      expect(parseTrial(`failed ${output}\n`).works).toBe(false);
    }),
  );
});

test("a build without libkrun says so, whatever the host can do", async () => {
  expect(await tryKrun(false)).toMatchObject({
    engine: "krun",
    works: false,
    reason: "this build of smolvm has no libkrun",
  });
});

test("CPU flags are words", () => {
  expect(hasVirtualizationFlag("flags\t\t: fpu vmx sse\n")).toBe(true);
  expect(hasVirtualizationFlag("flags\t\t: fpu svm\n")).toBe(true);
  expect(hasVirtualizationFlag("flags\t\t: fpu svml vmxx\nbugs\t: svm\n")).toBe(false);
});
