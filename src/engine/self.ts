import { roleCommand } from "../self.ts";

/** This program in the VMM role; `parent` is the process with which it has to end. */
export function vmmCommand(parent: number) {
  return roleCommand("__vmm", String(parent));
}

/** This program in the role that tries KVM. */
export function probeCommand() {
  return roleCommand("__probe-kvm");
}
