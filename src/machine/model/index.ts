/**
 * What a machine is and what is known about it: defaults, records, states. Knows no files. The schemas (spec.ts) and the
 * builder of descriptions (build.ts) are loaded by those who need them: valibot takes longer to load than the rest.
 */
export type { Removals, SpecSources } from "./build.ts";
export {
  type ContainerImage,
  type ContainerRecord,
  endedWithMachine,
  makeContainerId,
  parseContainer,
} from "./container.ts";
export { bindOf, type ContainerVolume } from "./container-binds.ts";
export { defaultHealth, defaultSpec } from "./defaults.ts";
export { mergeEnvironment } from "./environment.ts";
export type { SpecLayer } from "./layers.ts";
export { exposedPath, joinBy, type SecretSpec, SSH_AGENT_SOCKET } from "./lent.ts";
export { mountCount } from "./mounts.ts";
export { checkMachineName, isMachineName, makeMachineName, notFound } from "./name.ts";
export { defaultNetwork, formatPort, type SaidNetwork } from "./network.ts";
export { type MachineRecord, newRecord, parseRecord, RECORD_VERSION, type ReadRecord } from "./record.ts";
export type {
  HealthSpec,
  MachineSpec,
  NetworkSpec,
  PortSpec,
  RestartPolicy,
  RestartSpec,
  Tmpfs,
  Volume,
} from "./spec.ts";
export {
  type HealthState,
  type MachineState,
  newState,
  parseState,
  type WorkloadEnd,
  type WorkloadState,
} from "./state.ts";
export { type MachineStatus, machineStatuses } from "./status.ts";
