/** The host's side of the guest's agent: what can be asked of a guest, and the checks of what it says. */
export type { GuestHello } from "./codec.ts";
export { type GuestExec, GuestProcess } from "./exec.ts";
export { type FuseRequest, GuestFuse } from "./fuse.ts";
export { Guest } from "./guest.ts";
export type { Note, RootRequest } from "./roots.ts";
export { GuestListener, GuestSocket, type ListenAddress, type SocketAddress } from "./sockets.ts";
export {
  type AttachStep,
  type EnterStep,
  type FillStep,
  type GrowStep,
  type HoldStep,
  MAX_SLOT,
  type MkdirStep,
  MountFlag,
  type MountStep,
  type NodeStep,
  type Step,
  StepFlag,
  type SymlinkStep,
  type UnmountStep,
  type WriteStep,
} from "./steps.ts";
export { type Figures, Watch, type WatchEvent, type WatchRequest } from "./watch.ts";
