/** GPUs of machines: what a host needs to have, and what is missing here. Loaded when a machine asks for one. */
import { SmolError } from "../../errors.ts";
import type { EngineName, VmGpu } from "../types.ts";
import { decideGpu, type GpuVerdict } from "./decide.ts";
import { describeGpuHost, type GpuHostOptions } from "./host.ts";

/** Whether machines of this engine can have a GPU on this host, decided by trying the device. */
export async function tryGpu(engine: EngineName, options: GpuHostOptions): Promise<GpuVerdict> {
  return await decideGpu(await describeGpuHost(engine, options));
}

/**
 * The GPU of a machine that asked for one.
 *
 * @param vramMib what it may take of the host's memory, MiB
 * @throws SmolError `engine.no_gpu`, with what is missing and how to get it; `engine.bad_libkrun`, `engine.bad_qemu`
 */
export async function requireGpu(
  engine: EngineName,
  vramMib: number,
  options: GpuHostOptions,
): Promise<VmGpu> {
  const verdict = await tryGpu(engine, options);
  if (verdict.works) return { vramMib, renderNode: verdict.renderNode };
  throw new SmolError(
    "engine.no_gpu",
    `machines on ${engine} are without GPU support on this host: ${verdict.reason}`,
    { hint: verdict.fix },
  );
}
