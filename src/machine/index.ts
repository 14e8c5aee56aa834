/**
 * Machines: a library over plain options. Functions return values and throw SmolError; none writes to standard streams,
 * handles signals or ends the process. Where and for whom they work is in the Context that is passed in.
 */

export { askMachine } from "./client/ask.ts";
export { type Cloned, cloneMachine } from "./client/clone.ts";
export { connectMachine, type Machine } from "./client/connect.ts";
export {
  type ContainerRecord,
  type ContainerVolume,
  type CreateContainerOptions,
  createContainer,
  execInContainer,
  listContainers,
  removeContainer,
  startContainer,
  stopContainer,
} from "./client/containers.ts";
export { type Created, type CreateOptions, createMachine } from "./client/create.ts";
export { EphemeralMachine, type EphemeralOptions, type StartPhase } from "./client/ephemeral.ts";
export {
  inspectMachine,
  listMachineNames,
  listMachines,
  type MachineInfo,
  type MachineStatus,
} from "./client/info.ts";
export { consoleLog, type LogsOptions, workloadLog } from "./client/logs.ts";
export { type MachineEvent, type Observed, observeMachine, type Supervision } from "./client/observe.ts";
export type { Process, RunningProcess } from "./client/process.ts";
export {
  attachProcess,
  killProcess,
  listProcesses,
  type ProcessInfo,
  processLog,
  startDetached,
} from "./client/processes.ts";
export { type Started, type StartOptions, startMachine } from "./client/start.ts";
export { type MachineFigures, machineFigures } from "./client/stats.ts";
export { deleteMachine, type StopOptions, type Stopped, stopMachine } from "./client/stop.ts";
export { inspectionJson, type MachineJson, machineJson, machineJsonSchema } from "./client/summary.ts";
export { resizeMachine, type SettingChange, updateMachine } from "./client/update.ts";
export { waitForMachine } from "./client/wait.ts";
export {
  checkMachineName,
  defaultSpec,
  type MachineRecord,
  type MachineSpec,
  type MachineState,
  makeMachineName,
  notFound,
} from "./model/index.ts";
export type { ImageOptions, StartEvent, StartReport } from "./plan/index.ts";
export { dataDirectory } from "./store/index.ts";
