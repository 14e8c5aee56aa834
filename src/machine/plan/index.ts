/** From what a machine is, and an image, to what its process carries out. */
export { planConfinement } from "./confinement.ts";
export { planEngine } from "./engine.ts";
export {
  type ImageOptions,
  libkrunSource,
  type ResolvedImage,
  resolveFiles,
  resolveImage,
} from "./files.ts";
export { planGpu } from "./gpu.ts";
export { type NetworkPlan, planNetwork } from "./network.ts";
export type {
  ImageFacts,
  Lent,
  MachineFiles,
  OwnerPolicy,
  PlannedVolume,
  StartEvent,
  StartOrder,
  StartReport,
} from "./order.ts";
export { proxyAuthorities, proxyVariables } from "./proxies.ts";
export { planTemplates } from "./templates.ts";
export {
  argumentsOf,
  type ProcessOptions,
  processIn,
  requireArguments,
  requireCommand,
  surroundingsOf,
  type WorkloadDefaults,
  workloadOf,
} from "./workload.ts";
