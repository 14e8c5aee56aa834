/**
 * Workspaces: a folder of the host that a guest may change without changing it. The guest's changes are kept beside it,
 * can be read, brought to the host and thrown away, whether a guest runs or not. It knows nothing of machines.
 */
export { type Applied, type ApplyOptions, applyChanges, type Kept, selected } from "./changes/apply.ts";
export { type Change, type Conflict, changesOf, isSelected, type Status } from "./changes/changes.ts";
export { discardChanges } from "./changes/discard.ts";
export { type FilePatch, gitMode, gitPath, hunkHeader, patchesOf } from "./changes/patch.ts";
export type { Hunk } from "./changes/texts.ts";
export type { Names } from "./host-folder.ts";
export type { Stamp } from "./stamp.ts";
export type { Kind } from "./stat.ts";
export {
  copyWorkspace,
  hasWorkspace,
  type OpenWorkspace,
  openWorkspace,
  serveWorkspace,
  type WorkspacePaths,
} from "./workspace.ts";
