import { MountFlag, type Step, StepFlag } from "../../guest/index.ts";
import { mountAt, safe } from "./kernel-mounts.ts";
import { type Places, slot } from "./places.ts";

/** The commands that podman's `--systemd=true` takes for an init system. */
const paths = new Set(["/sbin/init", "/usr/sbin/init", "/usr/local/sbin/init"]);

/** Whether a command is an init system: one of the usual paths, or anything called `systemd`. */
export function isInitSystem(argv: readonly string[]): boolean {
  const program = argv[0] ?? "";
  return paths.has(program) || program.split("/").at(-1) === "systemd";
}

/**
 * Whether a command only works as the first process of its PID namespace: an init system, or the supervisors of
 * containers that refuse to be anything else (s6-overlay's `/init`).
 */
export function hasToBeFirst(argv: readonly string[]): boolean {
  return isInitSystem(argv) || argv[0] === "/init";
}

/** By this variable an init system learns that it is not on bare hardware (systemd.io/CONTAINER_INTERFACE). */
export const initEnvironment: readonly string[] = ["container=smolvm"];

/**
 * An init system expects /run and /run/lock to be empty at each start. podman also mounts a tmpfs at /tmp and at
 * /var/log/journal, because its containers have no disk of their own; a machine's logs and files stay on its disk.
 */
export function mountRun(place: Places): Step[] {
  return [
    mountAt(place.run, "tmpfs", MountFlag.noSuid | MountFlag.noDevices, "mode=0755"),
    { kind: "hold", path: place.run, slot: slot.run },
  ];
}

/** Inside; what the image has at /run is copied, as podman does (`tmpcopyup`). */
export function attachRun(): Step[] {
  const where = StepFlag.directoryOnly | StepFlag.optional;
  return [
    { kind: "fill", path: "/run", slot: slot.run, flags: where },
    { kind: "attach", path: "/run", slot: slot.run, flags: where | StepFlag.makeDirectory },
    {
      ...mountAt("/run/lock", "tmpfs", safe, "mode=1777,size=5m"),
      flags: StepFlag.makeDirectory | StepFlag.optional,
    },
  ];
}
