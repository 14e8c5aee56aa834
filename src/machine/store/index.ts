/** Machines on the host's disk: directories, locks, records, sockets. */
export { type Claim, claimMachine, lockForChange, requireRecord } from "./change.ts";
export {
  copyContainers,
  readContainers,
  removeContainer,
  writeContainer,
} from "./containers.ts";
export {
  checkEntryName,
  createRunning,
  createStopped,
  DirectoryDraft,
  directoryRemoval,
  isForeign,
  isRunning,
  isTaken,
  type Lock,
  lockRunning,
  machineDirectory,
  machineNames,
  machinesDirectory,
  markEphemeral,
  removeDirectory,
  removeLeftover,
  sweep,
  sweepHidden,
  tryLockForChange,
} from "./directory.ts";
export { type ExposedSocket, removeExposed, removeSocket, socketAt, writeExposed } from "./exposed.ts";
export {
  dataDirectory,
  dataIn,
  readRecord,
  readState,
  recordPath,
  writeFirstRecord,
  writeRecord,
  writeState,
} from "./files.ts";
export {
  joinNamedNetwork,
  type Membership,
  namedNetworkDirectory,
  networkMembers,
  sweepNamedNetworks,
} from "./named-networks.ts";
export { giveUpOwnership, lostItsOwner, takeOwnership } from "./owned.ts";
export {
  listenInRuntimeDirectory,
  removeSockets,
  type SocketPaths,
  socketPaths,
  socketRemovals,
} from "./sockets.ts";
export { workspaceIn } from "./workspaces.ts";
