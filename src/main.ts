/** Picks the role of this process or thread by the hidden first argument; without one it is the command line. */
import { commandLineWords } from "./command-line.ts";
import type { Role, ThreadRole } from "./self.ts";

/** Those that end with an exit code of their own. */
const programs: Record<string, () => Promise<number>> = {
  __packed: async () => (await import("./cli/packed/main.ts")).runPackedProgram(),
  __sdk: async () => (await import("./sdk/main.ts")).runSdk(),
};

const roles: Record<Role, () => Promise<unknown>> = {
  __machine: async () => (await import("./machine/host/main.ts")).runMachineProcess(),
  __vmm: async () => (await import("./engine/vmm.ts")).runVmmProcess(),
  __files: async () => (await import("./files/main.ts")).runFilesProcess(),
  __template: async () => (await import("./machine/host/templates/main.ts")).runTemplateMaker(),
  "__probe-kvm": async () => (await import("./engine/probe-kvm.ts")).runKvmProbe(),
};

const threadRoles: Record<ThreadRole, () => Promise<unknown>> = {
  __decode: async () => (await import("./image/blob/thread.ts")).runDecoderThread(),
  __workspace: async () => (await import("./serve/workspaces/thread.ts")).runWorkspaceThread(),
};

/** A process that has lived for so long is no command that only answers. */
const SHORT_LIFE_MS = 100;

/**
 * The executable starts with a compiler that waits (build/compile.ts): what most commands run, they run once. Work that
 * goes on is compiled as ever.
 */
function compileSoon(): void {
  if (Bun.isMainThread) setTimeout(() => Bun.unsafe.setJITPolicy(1), SHORT_LIFE_MS).unref();
  else Bun.unsafe.setJITPolicy(1);
}

async function main(): Promise<void> {
  compileSoon();
  const words = process.argv.slice(2);
  const role = Bun.isMainThread ? roles[words[0] as Role] : threadRoles[words[0] as ThreadRole];
  if (role !== undefined) {
    await role();
    return;
  }
  const program = programs[words[0] ?? ""];
  if (program !== undefined) process.exit(await program());
  const { runCli } = await import("./cli/index.ts");
  process.exit(await runCli(commandLineWords()));
}

void main();
