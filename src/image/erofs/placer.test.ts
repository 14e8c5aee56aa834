import { expect, test } from "bun:test";
import fc from "fast-check";
import { BLOCK } from "./format.ts";
import { InodePlacer } from "./placer.ts";

test("inodes do not overlap, and those that fit in a block are inside one", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 64, max: 12_000 }), { maxLength: 300 }), (sizes) => {
      const placer = new InodePlacer();
      const places = sizes.map((size) => ({ size, at: placer.place(size) })).sort((a, b) => a.at - b.at);
      let end = 0;
      for (const { size, at } of places) {
        expect(at % 32).toBe(0);
        expect(at).toBeGreaterThanOrEqual(end);
        end = at + size;
        if (size <= BLOCK) expect(Math.floor(at / BLOCK)).toBe(Math.floor((end - 1) / BLOCK));
        else expect(at % BLOCK).toBe(0);
      }
      expect(end).toBeLessThanOrEqual(placer.blocks * BLOCK);
    }),
  );
});
