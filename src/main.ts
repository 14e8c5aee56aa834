/** Picks the role of this process by the hidden first argument; without one it is the command line. */
import type { Role } from "./self.ts";

const roles: Record<Role, () => Promise<unknown>> = {
  __machine: async () => (await import("./machine/process.ts")).runMachineProcess(),
  __vmm: async () => (await import("./engine/vmm.ts")).runVmmProcess(),
  __agent: async () => (await import("../agent/main.ts")).runAgent(),
  "__probe-kvm": async () => (await import("./engine/probe-kvm.ts")).runKvmProbe(),
};

async function main(): Promise<void> {
  const words = process.argv.slice(2);
  const role = roles[words[0] as Role];
  if (role !== undefined) {
    await role();
    return;
  }
  const { runCli } = await import("./cli/index.ts");
  process.exit(await runCli(words));
}

void main();
