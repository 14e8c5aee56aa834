import { expect, test } from "bun:test";
import fc from "fast-check";
import { defaultSpec } from "../model/index.ts";
import { planResize, templateOf } from "./sizes.ts";
import { TEMPLATE_GIB } from "./template-sizes.ts";

const now = { overlayGib: 10, storageGib: 20 };

test("a resize names what grows, and is nothing when nothing does", () => {
  expect(planResize(now, {})).toEqual([]);
  expect(planResize(now, now)).toEqual([]);
  expect(planResize(now, { storageGib: 50, overlayGib: 10 })).toEqual([
    { name: "storage", fromGib: 20, toGib: 50 },
  ]);
  expect(planResize(now, { storageGib: 21, overlayGib: 11 })).toEqual([
    { name: "overlay", fromGib: 10, toGib: 11 },
    { name: "storage", fromGib: 20, toGib: 21 },
  ]);
});

test("a disk that would shrink ends it, whatever the other one does", () => {
  expect(() => planResize(now, { storageGib: 19, overlayGib: 11 })).toThrow(
    expect.objectContaining({
      code: "machine.disk_shrink",
      message:
        "storage disk cannot be shrunk from 20 GiB to 19 GiB. Only expanding is supported to prevent data loss.",
    }),
  );
});

test("no template is larger than the disk that is made from it", () => {
  fc.assert(
    fc.property(fc.constantFrom("overlay", "storage"), fc.integer({ min: 1, max: 20_000 }), (name, gib) => {
      expect(TEMPLATE_GIB[templateOf(name, gib)]).toBeLessThanOrEqual(gib);
    }),
  );
  expect([templateOf("overlay", 9), templateOf("storage", 19)]).toEqual(["small", "small"]);
});

test("a machine about which nothing was said has nothing to grow", () => {
  const { overlayGib, storageGib } = defaultSpec("vm");
  expect(TEMPLATE_GIB).toMatchObject({ overlay: overlayGib, storage: storageGib });
});
