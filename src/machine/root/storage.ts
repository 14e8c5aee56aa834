import { type Step, StepFlag } from "../../guest/index.ts";
import { mountDisk } from "./layers.ts";
import { type Places, slot } from "./places.ts";
import type { WritableDisk } from "./types.ts";

/** On the system's side: mounts the storage disk, with its directory for /workspace. */
export function mountStorage(disk: WritableDisk, place: Places, ephemeral: boolean): Step[] {
  return [
    ...mountDisk(disk, place.storage, ephemeral),
    { kind: "mkdir", path: place.workspace, mode: 0o755 },
    { kind: "hold", path: place.storage, slot: slot.storage },
    { kind: "hold", path: place.workspace, slot: slot.workspace },
  ];
}

/**
 * Inside: the storage disk is at /storage, a directory of it at /workspace. What an image has there is copied to the
 * disk (as docker fills an empty volume): its /workspace as long as there is nothing, its /storage once, because a disk
 * is never empty. A file or a link stays what it is, with a note. In a bare machine /workspace is a link; where a
 * volume was and is no more, it is a directory, and the disk is mounted there.
 *
 * @param taken a volume takes the place of /workspace
 */
export function attachStorage(bare: boolean, taken: boolean): Step[] {
  const storage: Step = {
    kind: "attach",
    slot: slot.storage,
    path: "/storage",
    flags: StepFlag.makeDirectory | StepFlag.directoryOnly,
  };
  const fillStorage: Step = {
    kind: "fill",
    path: "/storage",
    slot: slot.storage,
    flags: StepFlag.directoryOnly | StepFlag.once,
  };
  if (taken) return bare ? [storage] : [fillStorage, storage];
  if (bare) {
    return [
      storage,
      { kind: "symlink", path: "/workspace", target: "/storage/workspace", flags: StepFlag.ifAbsent },
      { kind: "attach", slot: slot.workspace, path: "/workspace", flags: StepFlag.directoryOnly },
    ];
  }
  return [
    { kind: "fill", path: "/workspace", slot: slot.workspace, flags: StepFlag.directoryOnly },
    fillStorage,
    storage,
    {
      kind: "attach",
      slot: slot.workspace,
      path: "/workspace",
      flags: StepFlag.makeDirectory | StepFlag.directoryOnly,
    },
  ];
}
