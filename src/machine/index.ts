/**
 * Machines: a library over plain options. Functions return values and throw SmolError; none writes to standard streams,
 * handles signals or ends the process. Where and for whom they work is in the Context that is passed in.
 *
 * What only looks at machines is loaded with this file; the rest when it is first used, because every command that is
 * about a machine loads this file.
 */
type Module<Name extends keyof Modules> = Modules[Name];

/** The files behind the functions below. */
interface Modules {
  readonly ask: typeof import("./client/ask.ts");
  readonly clone: typeof import("./client/clone.ts");
  readonly commit: typeof import("./client/commit.ts");
  readonly connect: typeof import("./client/connect.ts");
  readonly copy: typeof import("./client/copy.ts");
  readonly containers: typeof import("./client/containers.ts");
  readonly docker: typeof import("./client/docker.ts");
  readonly createKept: typeof import("./client/create-kept.ts");
  readonly ephemeral: typeof import("./client/ephemeral.ts");
  readonly gpu: typeof import("./plan/gpu.ts");
  readonly logs: typeof import("./client/logs.ts");
  readonly observe: typeof import("./client/observe.ts");
  readonly policy: typeof import("./client/policy.ts");
  readonly processes: typeof import("./client/processes.ts");
  readonly secrets: typeof import("./client/secrets.ts");
  readonly start: typeof import("./client/start.ts");
  readonly stats: typeof import("./client/stats.ts");
  readonly stop: typeof import("./client/stop.ts");
  readonly update: typeof import("./client/update.ts");
  readonly wait: typeof import("./client/wait.ts");
  readonly workspaces: typeof import("./client/workspaces.ts");
  readonly waitStatus: typeof import("./client/wait-status.ts");
}

export type { Cloned } from "./client/clone.ts";
export type { CommitOptions, Committed } from "./client/commit.ts";
export type { Machine } from "./client/connect.ts";
export type { ContainerRecord, ContainerVolume, CreateContainerOptions } from "./client/containers.ts";
export type { CopyProgress, DownloadRequest, FileTarget, UploadRequest } from "./client/copy.ts";
export { type Created, type CreateOptions, createMachine } from "./client/create.ts";
export type { EphemeralMachine, EphemeralOptions, StartPhase } from "./client/ephemeral.ts";
export { type MachineFilter, matchesFilters } from "./client/filter.ts";
export {
  absentMachine,
  hasProcess,
  inspectMachine,
  isWorkloadRunning,
  listMachineNames,
  listMachines,
  type MachineInfo,
  portsOf,
} from "./client/info.ts";
export type { LogsOptions } from "./client/logs.ts";
export type { MachineEvent, Observed, Supervision } from "./client/observe.ts";
export type { Process, RunningProcess } from "./client/process.ts";
export type { ProcessInfo } from "./client/processes.ts";
export type { Variables } from "./client/secrets.ts";
export type { Started, StartOptions } from "./client/start.ts";
export type { MachineFigures } from "./client/stats.ts";
export type { StopOptions, Stopped } from "./client/stop.ts";
export { inspectionJson, type MachineJson, machineJson } from "./client/summary.ts";
export type { SettingChange } from "./client/update.ts";
export type { AwaitedStatus } from "./client/wait-status.ts";
export type { MachineWorkspace, WorkspaceSelection } from "./client/workspaces.ts";
export {
  checkMachineName,
  defaultSpec,
  type MachineRecord,
  type MachineSpec,
  type MachineState,
  type MachineStatus,
  makeMachineName,
  mountCount,
  type NetworkSpec,
  notFound,
  type PortSpec,
  type SecretSpec,
} from "./model/index.ts";
export type { ImageOptions, StartEvent, StartReport } from "./plan/index.ts";
export { dataDirectory } from "./store/index.ts";

/** See client/ask.ts. */
export const askMachine: Module<"ask">["askMachine"] = async (...given) =>
  (await import("./client/ask.ts")).askMachine(...given);

/** See client/clone.ts. */
export const cloneMachine: Module<"clone">["cloneMachine"] = async (...given) =>
  (await import("./client/clone.ts")).cloneMachine(...given);

/** See client/commit.ts. */
export const commitMachine: Module<"commit">["commitMachine"] = async (...given) =>
  (await import("./client/commit.ts")).commitMachine(...given);

/** See client/connect.ts. */
export const connectMachine: Module<"connect">["connectMachine"] = async (...given) =>
  (await import("./client/connect.ts")).connectMachine(...given);

/** See client/copy.ts. */
export const copyToMachine: Module<"copy">["copyToMachine"] = async (...given) =>
  (await import("./client/copy.ts")).copyToMachine(...given);

/** See client/copy.ts. */
export const copyFromMachine: Module<"copy">["copyFromMachine"] = async (...given) =>
  (await import("./client/copy.ts")).copyFromMachine(...given);

/** See client/docker.ts. */
export const dockerSocket = async (...given: Parameters<Module<"docker">["dockerSocket"]>): Promise<string> =>
  (await import("./client/docker.ts")).dockerSocket(...given);
/** See client/create-kept.ts. */
export const createKept: Module<"createKept">["createKept"] = async (...given) =>
  (await import("./client/create-kept.ts")).createKept(...given);

/** See plan/gpu.ts. */
export const checkGpu: Module<"gpu">["checkGpu"] = async (...given) =>
  (await import("./plan/gpu.ts")).checkGpu(...given);

/** Makes an `EphemeralMachine`: see client/ephemeral.ts. */
export async function openEphemeral(
  ...given: ConstructorParameters<Module<"ephemeral">["EphemeralMachine"]>
): Promise<InstanceType<Module<"ephemeral">["EphemeralMachine"]>> {
  const { EphemeralMachine } = await import("./client/ephemeral.ts");
  return new EphemeralMachine(...given);
}

/** See client/secrets.ts. */
export const execEnvironment: Module<"secrets">["execEnvironment"] = async (...given) =>
  (await import("./client/secrets.ts")).execEnvironment(...given);

/** See client/secrets.ts. */
export const variablesOf: Module<"secrets">["variablesOf"] = async (...given) =>
  (await import("./client/secrets.ts")).variablesOf(...given);

/** See client/start.ts. */
export const startMachine: Module<"start">["startMachine"] = async (...given) =>
  (await import("./client/start.ts")).startMachine(...given);

/** See client/stop.ts. */
export const stopMachine: Module<"stop">["stopMachine"] = async (...given) =>
  (await import("./client/stop.ts")).stopMachine(...given);

/** See client/stop.ts. */
export const deleteMachine: Module<"stop">["deleteMachine"] = async (...given) =>
  (await import("./client/stop.ts")).deleteMachine(...given);

/** See client/update.ts. */
export const updateMachine: Module<"update">["updateMachine"] = async (...given) =>
  (await import("./client/update.ts")).updateMachine(...given);

/** See client/update.ts. */
export const resizeMachine: Module<"update">["resizeMachine"] = async (...given) =>
  (await import("./client/update.ts")).resizeMachine(...given);

/** See client/wait.ts. */
export const waitForMachine: Module<"wait">["waitForMachine"] = async (...given) =>
  (await import("./client/wait.ts")).waitForMachine(...given);

/** See client/wait-status.ts. */
export const waitForStatus: Module<"waitStatus">["waitForStatus"] = async (...given) =>
  (await import("./client/wait-status.ts")).waitForStatus(...given);

/** See client/processes.ts. */
export const startDetached: Module<"processes">["startDetached"] = async (...given) =>
  (await import("./client/processes.ts")).startDetached(...given);

/** See client/processes.ts. */
export const listProcesses: Module<"processes">["listProcesses"] = async (...given) =>
  (await import("./client/processes.ts")).listProcesses(...given);

/** See client/processes.ts. */
export const killProcess: Module<"processes">["killProcess"] = async (...given) =>
  (await import("./client/processes.ts")).killProcess(...given);

/** See client/processes.ts. */
export const attachProcess = async (
  ...given: Parameters<Module<"processes">["attachProcess"]>
): Promise<ReturnType<Module<"processes">["attachProcess"]>> =>
  (await import("./client/processes.ts")).attachProcess(...given);

/** See client/processes.ts. */
export async function* processLog(
  ...given: Parameters<Module<"processes">["processLog"]>
): ReturnType<Module<"processes">["processLog"]> {
  yield* (await import("./client/processes.ts")).processLog(...given);
}

/** See client/logs.ts. */
export async function* workloadLog(
  ...given: Parameters<Module<"logs">["workloadLog"]>
): ReturnType<Module<"logs">["workloadLog"]> {
  yield* (await import("./client/logs.ts")).workloadLog(...given);
}

/** See client/logs.ts. */
export async function* consoleLog(
  ...given: Parameters<Module<"logs">["consoleLog"]>
): ReturnType<Module<"logs">["consoleLog"]> {
  yield* (await import("./client/logs.ts")).consoleLog(...given);
}

/** See client/logs.ts. */
export async function* egressLog(
  ...given: Parameters<Module<"logs">["egressLog"]>
): ReturnType<Module<"logs">["egressLog"]> {
  yield* (await import("./client/logs.ts")).egressLog(...given);
}

/** See client/policy.ts. */
export const explainPolicy: Module<"policy">["explainPolicy"] = async (...given) =>
  (await import("./client/policy.ts")).explainPolicy(...given);

/** See client/policy.ts. */
export const learnedPolicy: Module<"policy">["learnedPolicy"] = async (...given) =>
  (await import("./client/policy.ts")).learnedPolicy(...given);

/** See client/stats.ts. */
export async function* machineFigures(
  ...given: Parameters<Module<"stats">["machineFigures"]>
): ReturnType<Module<"stats">["machineFigures"]> {
  yield* (await import("./client/stats.ts")).machineFigures(...given);
}

/** See client/observe.ts. */
export const observeMachine = async (
  ...given: Parameters<Module<"observe">["observeMachine"]>
): Promise<ReturnType<Module<"observe">["observeMachine"]>> =>
  (await import("./client/observe.ts")).observeMachine(...given);

/** See client/containers.ts. */
export const createContainer: Module<"containers">["createContainer"] = async (...given) =>
  (await import("./client/containers.ts")).createContainer(...given);

/** See client/containers.ts. */
export const startContainer: Module<"containers">["startContainer"] = async (...given) =>
  (await import("./client/containers.ts")).startContainer(...given);

/** See client/containers.ts. */
export const stopContainer: Module<"containers">["stopContainer"] = async (...given) =>
  (await import("./client/containers.ts")).stopContainer(...given);

/** See client/containers.ts. */
export const removeContainer: Module<"containers">["removeContainer"] = async (...given) =>
  (await import("./client/containers.ts")).removeContainer(...given);

/** See client/containers.ts. */
export const execInContainer = async (
  ...given: Parameters<Module<"containers">["execInContainer"]>
): Promise<ReturnType<Module<"containers">["execInContainer"]>> =>
  (await import("./client/containers.ts")).execInContainer(...given);

/** See client/containers.ts. */
export const listContainers = async (
  ...given: Parameters<Module<"containers">["listContainers"]>
): Promise<ReturnType<Module<"containers">["listContainers"]>> =>
  (await import("./client/containers.ts")).listContainers(...given);

/** See client/workspaces.ts. */
export const machineWorkspaces = async (...given: Parameters<Module<"workspaces">["machineWorkspaces"]>) =>
  (await import("./client/workspaces.ts")).machineWorkspaces(...given);

/** See client/workspaces.ts. */
export const selectWorkspaces = async (...given: Parameters<Module<"workspaces">["selectWorkspaces"]>) =>
  (await import("./client/workspaces.ts")).selectWorkspaces(...given);

/** See client/workspaces.ts. */
export const unappliedChanges: Module<"workspaces">["unappliedChanges"] = async (...given) =>
  (await import("./client/workspaces.ts")).unappliedChanges(...given);
