import { dlopen, FFIType } from "bun:ffi";
import { expect, test } from "bun:test";
import { libkrun } from "./libkrun.ts";

/** KRUN_FEATURE_* of include/libkrun.h. */
const FEATURES = { net: 0, blk: 1, gpu: 2 };

test("libkrun is built with network and disks, and without a GPU, as src/engine/gpu/krun.ts tells users", async () => {
  const { symbols } = dlopen(`${await libkrun()}/libkrun.so.1`, {
    krun_has_feature: { args: [FFIType.u64], returns: FFIType.i32 },
  });
  const has = Object.entries(FEATURES).map(([name, number]) => [
    name,
    symbols.krun_has_feature(BigInt(number)),
  ]);
  expect(Object.fromEntries(has)).toEqual({ net: 1, blk: 1, gpu: 0 });
});
