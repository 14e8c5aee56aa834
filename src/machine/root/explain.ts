import { type Step, StepFlag } from "../../guest/index.ts";
import { mainPlaces, slot } from "./places.ts";
import type { RootDisks } from "./types.ts";

/** What a user should know about a step that was skipped; undefined for what concerns nobody. */
export function explainSkipped(step: Step): string | undefined {
  if (step.kind === "grow")
    return `the ${step.path === mainPlaces.storage ? "storage" : "overlay"} disk's filesystem could not grow to the disk, and keeps its size`;
  if (step.kind !== "attach") return undefined;
  // In a bare machine a link is what belongs there.
  if (step.slot === slot.workspace && ((step.flags ?? 0) & StepFlag.makeDirectory) === 0) return undefined;
  if (step.slot === slot.workspace)
    return "the image's /workspace is no directory and stays as it is; the storage disk is at /storage";
  if (step.slot === slot.storage)
    return "the image's /storage is no directory and stays as it is; of the storage disk only /workspace is there";
  return undefined;
}

/** What a user should know about a disk that had to be repaired. */
export function explainRepair(disks: RootDisks, device: string): string {
  return device === disks.storage.device
    ? "the storage disk was damaged and has been repaired; files that lost their names are in /storage/lost+found"
    : "the overlay disk, with the changes to the image's files, was damaged and has been repaired";
}
