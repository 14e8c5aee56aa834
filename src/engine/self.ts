import { type Role, selfCommand } from "../self.ts";

/** This program in the VMM role; `parent` is the process with which it has to end. */
export function vmmCommand(parent: number) {
  return roleCommand("__vmm", String(parent));
}

/** This program in the role that tries KVM. */
export function probeCommand() {
  return roleCommand("__probe-kvm");
}

/** From a source checkout the runtime is not the program: it is told which file to run. */
function roleCommand(role: Role, ...words: string[]) {
  const { command, argv0, env } = selfCommand(role);
  if (Bun.isStandaloneExecutable) return { command: [...command, ...words], argv0, env };
  const [runtime, ...rest] = command;
  return { command: [runtime, `${import.meta.dir}/../main.ts`, ...rest, ...words], argv0, env };
}
