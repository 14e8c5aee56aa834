/** What a machine's description mounts in its root: folders of the host, and filesystems in memory. */
import { MountFlag, type Step, StepFlag } from "../../guest/index.ts";
import { safe } from "./kernel-mounts.ts";
import { volumeSlot } from "./places.ts";
import type { RootInput } from "./types.ts";

/** Where a folder of the host is mounted on the system's side. @param index in the order's list */
export const volumePlace = (index: number): string => `/run/volumes/${index}`;

type Mounts = Pick<RootInput, "shares" | "tmpfs">;

/** On the system's side. */
export const holdMounts = ({ shares }: Mounts): Step[] =>
  shares.map((_, index) => ({ kind: "hold", path: volumePlace(index), slot: volumeSlot(index) }));

/**
 * Inside, after everything else: what the user asked for lies above what the machine has. A link of the image at that
 * place is followed within the root, as docker does it; but /workspace is no link when it is a volume.
 */
export function attachMounts({ shares, tmpfs }: Mounts): Step[] {
  const steps = [
    ...shares.map((share, index) => ({ target: share.target, steps: attach(share, index) })),
    ...tmpfs.map((one) => ({ target: one.target, steps: [inMemory(one)] })),
  ];
  return steps.sort((a, b) => depth(a.target) - depth(b.target)).flatMap(({ steps }) => steps);
}

const depth = (path: string): number => path.split("/").length;

function attach({ target, isFile, readOnly, fill }: Mounts["shares"][number], index: number): Step[] {
  const slot = volumeSlot(index);
  const link = target === "/workspace" ? StepFlag.replaceLink : 0;
  const missing = isFile ? StepFlag.makeFile : StepFlag.makeDirectory;
  const filled: Step[] = fill
    ? [{ kind: "fill", path: target, slot, flags: StepFlag.directoryOnly | StepFlag.optional }]
    : [];
  // The bind mount has flags of its own: all of them are said again.
  const mountFlags = readOnly ? MountFlag.noDevices | MountFlag.readOnly : 0;
  return [...filled, { kind: "attach", slot, path: target, mountFlags, flags: missing | link }];
}

function inMemory({ target, sizeBytes, mode, exec }: Mounts["tmpfs"][number]): Step {
  const size = sizeBytes === null ? "" : `size=${sizeBytes},`;
  return {
    kind: "mount",
    source: "tmpfs",
    path: target,
    type: "tmpfs",
    mountFlags: exec ? MountFlag.noSuid | MountFlag.noDevices : safe,
    data: `${size}mode=${mode.toString(8)}`,
    flags: StepFlag.makeDirectory,
  };
}
