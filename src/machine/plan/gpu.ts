import { assetPath } from "../../assets/index.ts";
import type { Context } from "../../context.ts";
import type { EngineName, VmGpu } from "../../engine/index.ts";
import type { MachineSpec } from "../model/index.ts";
import { planEngine } from "./engine.ts";
import { libkrunSource } from "./files.ts";

type GpuSpec = Pick<MachineSpec, "gpu" | "gpuVramMib">;

/**
 * The GPU that a machine asks for; null when it asks for none.
 *
 * @throws SmolError `engine.no_gpu` when engine and host cannot give it one; `engine.bad_gpu`, `engine.bad_libkrun`
 */
export async function planGpu(context: Context, spec: GpuSpec, engine: EngineName): Promise<VmGpu | null> {
  if (!spec.gpu) return null;
  const [{ requireGpu }, kernel, libkrun] = await Promise.all([
    import("../../engine/gpu/index.ts"),
    assetPath("kernel", context.paths.cache),
    engine === "krun" ? libkrunSource(context)?.() : undefined,
  ]);
  return await requireGpu(engine, spec.gpuVramMib, { env: context.environment, kernel, libkrun });
}

/**
 * Refuses a machine that could not be started here for want of a GPU.
 *
 * @param engine where the machine leaves it open; default: the best one that works
 * @throws SmolError as `planGpu` and `planEngine`
 */
export async function checkGpu(
  context: Context,
  spec: GpuSpec & Pick<MachineSpec, "engine">,
  engine?: EngineName | undefined,
): Promise<void> {
  if (!spec.gpu) return;
  await planGpu(context, spec, await planEngine(context, spec.engine ?? engine));
}
