import { expect, test } from "bun:test";
import { failureLine } from "../confine/index.ts";
import { SmolError } from "../errors.ts";
import { formatFailure, splitFailure } from "./failure.ts";

test("an error crosses the process boundary", () => {
  const line = formatFailure(new SmolError("engine.krun_failed", "it failed", { hint: "try again" }));
  const { error, rest } = splitFailure(`before\n${line}after`);
  expect(error).toBeInstanceOf(SmolError);
  expect(error).toMatchObject({ code: "engine.krun_failed", message: "it failed", hint: "try again" });
  expect(rest).toBe("before\nafter");
});

test("any other error becomes one of ours", () => {
  const { error } = splitFailure(formatFailure(new Error("ENOENT: no such file")));
  expect(error).toMatchObject({
    code: "engine.vmm_failed",
    message: "cannot start the VM: ENOENT: no such file",
    hint: undefined,
  });
});

test("messages without a failure stay as they are", () => {
  expect(splitFailure("one\ntwo")).toEqual({ error: null, rest: "one\ntwo" });
});

test("a host without the memory for a VM is told by QEMU's own words", () => {
  const words = "qemu-system-x86_64: cannot set up guest memory 'microvm.ram': Cannot allocate memory\n";
  expect(splitFailure(words, ["descriptors"]).error?.code).toBe("engine.no_memory");
});

test("the last line counts, and what it says drives no terminal", () => {
  const line = formatFailure(
    new SmolError("engine.krun_failed", "\u001b[2Jit failed", { hint: "\u202etry" }),
  );
  const { error } = splitFailure(formatFailure(new Error("x")) + line);
  expect(error).toMatchObject({ code: "engine.krun_failed", message: "it failed", hint: "try" });
});

test("where there is a launcher, a line in smolvm's words is a failure without them", () => {
  const line = formatFailure(new SmolError("host.full", "buy more", { hint: "run this" }));
  expect(splitFailure(line, ["descriptors"]).error).toMatchObject({
    code: "engine.vmm_failed",
    hint: undefined,
  });
});

test("a forbidden call is told by its name, and whose process made it", () => {
  const line = failureLine({ stage: "seccomp", syscall: 101, argument: "10", second: "1" });
  for (const who of ["VM", "file server"] as const)
    expect(splitFailure(line, ["descriptors"], who).error).toMatchObject({
      code: "confine.forbidden_call",
      message: expect.stringContaining(`the ${who}'s process made a system call that is forbidden to it`),
    });
});

test("a damaged line is still a failure", () => {
  const line = formatFailure(new Error("x")).slice(0, -4);
  expect(splitFailure(line).error).toMatchObject({ code: "engine.vmm_failed" });
});
