import { installCommand } from "../probe/packages.ts";
import { tryMachine } from "../probe/qemu.ts";
import { gpuArguments, qemuMachine } from "../qemu/arguments.ts";
import { findQemu, qemuName } from "../qemu/binary.ts";
import type { Problem } from "./decide.ts";

/** Any size: the trial's guest never runs. */
const TRIAL_MIB = 256;

/** Whether this QEMU builds our machine with a GPU, the host's driver included. @throws SmolError `engine.bad_qemu` */
export async function tryQemuGpu(
  env: Readonly<Record<string, string | undefined>>,
  renderNode: string | null,
): Promise<Problem | undefined> {
  const [machine, binary] = [qemuMachine(), findQemu(env)];
  if (machine === undefined) return { reason: `smolvm has no QEMU machine for ${process.arch}` };
  if (binary === undefined) return { reason: `${qemuName()} is not in PATH`, fix: installCommand("qemu") };
  const card = gpuArguments({ vramMib: TRIAL_MIB, renderNode });
  const failed = await tryMachine(binary.path, [...machine.machineArguments, ...card]);
  if (failed === undefined) return undefined;
  return {
    reason: `QEMU cannot start our machine with one: ${failed.why}`,
    fix: `install virglrenderer and QEMU's part for it: ${installCommand("qemu-gpu")}`,
  };
}
