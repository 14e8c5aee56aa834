import { krunHasGpu } from "../../../ffi/krun.ts";
import { messageOf } from "../../errors.ts";
import { installCommand } from "../probe/packages.ts";
import type { Problem } from "./decide.ts";

const FIX = `install a libkrun with GPU support, which needs virglrenderer, and name it by SMOLVM_LIBKRUN=/absolute/path/libkrun.so.1 (${installCommand("krun-gpu")}); or take --engine qemu`;

/** Whether this libkrun was built with a GPU, and finds the libraries that it draws with. */
export function tryKrunGpu(libkrun: string | undefined, renderNode: string | null): Problem | undefined {
  if (renderNode === null)
    return {
      reason: "libkrun has no card without a GPU of the host's (SMOLVM_GPU=2d)",
      fix: "take --engine qemu",
    };
  if (libkrun === undefined) return { reason: "this build of smolvm has no libkrun" };
  try {
    if (krunHasGpu(libkrun)) return undefined;
    return { reason: "this libkrun is built without virglrenderer", fix: FIX };
  } catch (error) {
    return { reason: `this libkrun cannot be loaded: ${messageOf(error)}`, fix: FIX };
  }
}
