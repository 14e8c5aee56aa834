/** Engines: what runs a VM, which of them works on this host, and why the others do not. */
import type { DoctorOptions, DoctorReport } from "./doctor.ts";

export { type ChooseOptions, chooseEngine, engineByName } from "./choose.ts";
export type { DoctorOptions, DoctorReport, EngineReport } from "./doctor.ts";
export { vmPaths } from "./program.ts";
export type {
  DiskFormat,
  Engine,
  EngineName,
  LaunchConfined,
  LaunchOptions,
  NetCard,
  Restore,
  RunningVm,
  Templates,
  Verdict,
  VmDisk,
  VmExit,
  VmGpu,
  VmmHandle,
  VmShare,
  VmSpec,
} from "./types.ts";
export { engineNames } from "./types.ts";
export { prepareVmm } from "./vmm-handle.ts";

/** What `smolvm doctor` says about this host; see doctor.ts. Loaded when somebody asks. */
export async function collectDoctorReport(options: DoctorOptions): Promise<DoctorReport> {
  return (await import("./doctor.ts")).collectDoctorReport(options);
}
