import { MountFlag, type MountStep, type Step, StepFlag } from "../../guest/index.ts";

/** For what holds no programs, devices or privileges. */
export const safe = MountFlag.noSuid | MountFlag.noDevices | MountFlag.noExec;

/** Mounts a filesystem that has no device, named as its type; makes the directory where it is missing. */
export function mountAt(path: string, type: string, mountFlags: number, data?: string): MountStep {
  return {
    kind: "mount",
    source: type,
    path,
    type,
    mountFlags,
    data,
    flags: StepFlag.makeDirectory,
  };
}

/**
 * What programs learn from the kernel, but for /proc, which belongs to the first process's PID namespace and
 * is the agent's to mount. The cgroup filesystem shows the root's own cgroup and what is below it, writable
 * for root, so that init systems and container engines can make groups of their own.
 *
 * @param initSystem an init system takes a read-only /sys as the sign that devices are not its business
 *   (systemd.io/CONTAINER_INTERFACE); everybody else's root may turn the knobs of the machine.
 */
export function mountKernel(initSystem: boolean): Step[] {
  return [
    mountAt("/sys", "sysfs", initSystem ? safe | MountFlag.readOnly : safe),
    { kind: "mount", source: "cgroup2", path: "/sys/fs/cgroup", type: "cgroup2", mountFlags: safe },
  ];
}
