/** What a machine is and what is known about it: schemas, defaults, records. Knows no files. */
export { buildSpec, changeSpec, type Removals, type SpecSources } from "./build.ts";
export {
  bindSchema,
  type ContainerEnd,
  type ContainerImage,
  type ContainerRecord,
  containerImageSchema,
  endedWithMachine,
  makeContainerId,
  parseContainer,
} from "./container.ts";
export { bindOf, type ContainerVolume } from "./container-binds.ts";
export { defaultHealth, defaultSpec } from "./defaults.ts";
export { mergeEnvironment } from "./environment.ts";
export type { SpecLayer } from "./layers.ts";
export { checkMachineName, makeMachineName, notFound } from "./name.ts";
export { type MachineRecord, newRecord, parseRecord, RECORD_VERSION, type ReadRecord } from "./record.ts";
export {
  type HealthSpec,
  healthSchema,
  type MachineSpec,
  type RestartPolicy,
  type RestartSpec,
  restartPolicies,
  restartSchema,
  specSchema,
} from "./spec.ts";
export {
  type HealthState,
  type MachineState,
  parseState,
  type WorkloadEnd,
  type WorkloadState,
} from "./state.ts";
