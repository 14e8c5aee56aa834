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
 * Inside: the storage disk is at /storage, a directory of it at /workspace. An image that has something there
 * keeps it: its /workspace is copied to the disk as long as there is nothing (as docker fills an empty
 * volume), and a file or link, or files at /storage, stay what they are, with a note. In a bare machine
 * /workspace is a link; where a volume was and is no more, it is a directory, and the disk is mounted there.
 *
 * @param taken a volume takes the place of /workspace
 */
export function attachStorage(bare: boolean, taken: boolean): Step[] {
  const storage: Step = {
    kind: "attach",
    slot: slot.storage,
    path: "/storage",
    flags: StepFlag.makeDirectory | StepFlag.emptyOnly,
  };
  if (taken) return [storage];
  if (bare) {
    return [
      storage,
      { kind: "symlink", path: "/workspace", target: "/storage/workspace", flags: StepFlag.ifAbsent },
      { kind: "attach", slot: slot.workspace, path: "/workspace", flags: StepFlag.directoryOnly },
    ];
  }
  return [
    { kind: "fill", path: "/workspace", slot: slot.workspace, flags: StepFlag.directoryOnly },
    storage,
    {
      kind: "attach",
      slot: slot.workspace,
      path: "/workspace",
      flags: StepFlag.makeDirectory | StepFlag.directoryOnly,
    },
  ];
}
