/** How this program starts itself again in another role, as a process or as a thread. */

/** The roles, by their hidden first argument; src/main.ts picks. */
export type Role = "__machine" | "__vmm" | "__probe-kvm";
export type ThreadRole = "__decode";

/**
 * Variables with which Bun would run something else than this program, or with other options: nobody who sets the
 * environment of a command line may decide what a machine's processes do.
 */
const BUN_VARIABLES = ["BUN_OPTIONS", "BUN_BE_BUN", "BUN_INSPECT", "BUN_INSPECT_PRELOAD"];

/** The command and environment of this program in another role. */
export function selfCommand(role: Role): { command: [string, ...string[]]; env: Record<string, string> } {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !BUN_VARIABLES.includes(name)) env[name] = value;
  }
  return { command: [process.execPath, role], env };
}

/** Starts a thread of this process in a role. What is sent to it before it says something may be lost. */
export function startThread(role: ThreadRole): Worker {
  const program = Bun.isStandaloneExecutable ? Bun.main : `${import.meta.dir}/main.ts`;
  return new Worker(program, { argv: [role] });
}
