import { expect, test } from "bun:test";
import { FieldReader } from "./fields.ts";
import { encodeStep, MountFlag, type Step, StepFlag } from "./steps.ts";

/** A step's kind and its fields, as an agent would take it apart. */
function takeApart(step: Step): [number, FieldReader] {
  const bytes = encodeStep(step);
  return [bytes[0] as number, new FieldReader(bytes.subarray(1), "step")];
}

test("a mount", () => {
  const [kind, fields] = takeApart({
    kind: "mount",
    source: "/dev/vdb",
    path: "/run/image",
    type: "erofs",
    mountFlags: MountFlag.readOnly,
    data: "x=y",
    flags: StepFlag.makeDirectory,
  });
  expect(kind).toBe(2);
  expect([fields.text(1, 99), fields.text(2, 99), fields.text(3, 99), fields.text(6, 99)]).toEqual([
    "/run/image",
    "/dev/vdb",
    "erofs",
    "x=y",
  ]);
  expect([fields.int(4), fields.int(5)]).toEqual([1, 1]);
});

test("a device, a link, a file, a slot", () => {
  const [node, device] = takeApart({ kind: "node", path: "/dev/null", mode: 0o020666, major: 1, minor: 3 });
  expect([node, device.int(7), device.int(10), device.int(11)]).toEqual([8, 0o020666, 1, 3]);
  const [symlink, link] = takeApart({ kind: "symlink", path: "/dev/fd", target: "/proc/self/fd" });
  expect([symlink, link.text(1, 99), link.text(2, 99)]).toEqual([7, "/dev/fd", "/proc/self/fd"]);
  const [write, file] = takeApart({ kind: "write", path: "/etc/hosts", content: "é\n" });
  expect([write, Buffer.from(file.all(13)[0] ?? []).toString()]).toEqual([6, "é\n"]);
  const [hold, held] = takeApart({ kind: "hold", path: "/a", slot: 0 });
  expect([hold, held.int(12)]).toEqual([3, 0]);
  expect(() => encodeStep({ kind: "hold", path: "/a", slot: 96 })).toThrow(RangeError);
});
