import { expect, test } from "bun:test";
import fc from "fast-check";
import { BlockAllocator } from "./extents.ts";
import { BLOCK, MAX_BLOCKS } from "./format.ts";
import { InodePlacer } from "./placer.ts";

test("blocks are never given to two files, and released ones are used again", () => {
  const step = fc.record({ blocks: fc.integer({ min: 1, max: 70 }), release: fc.option(fc.nat()) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const allocator = new BlockAllocator(1);
      const live: { block: number; blocks: number }[] = [];
      for (const { blocks, release } of steps) {
        const [gone] = release === null || live.length === 0 ? [] : live.splice(release % live.length, 1);
        if (gone !== undefined) allocator.release(gone.block, gone.blocks);
        live.push({ block: allocator.allocate(blocks), blocks });
      }
      const all = [...live, ...allocator.remaining()].sort((a, b) => a.block - b.block);
      let end = 1;
      for (const { block, blocks } of all) {
        expect(block).toBe(end);
        end = block + blocks;
      }
      expect(allocator.end).toBe(end);
    }),
  );
});

test("a file of the size of a replaced one takes its place", () => {
  const allocator = new BlockAllocator(1);
  const first = allocator.allocate(24);
  allocator.allocate(1);
  allocator.release(first, 24);
  expect(allocator.allocate(24)).toBe(first);
});

test("an image has at most 2^32 - 2 blocks", () => {
  const allocator = new BlockAllocator(1);
  allocator.append(MAX_BLOCKS - 1);
  expect(() => allocator.append(1)).toThrow("does not fit");
});

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
