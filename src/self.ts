/** How this program starts itself again in another role, as a process or as a thread. */

/** The roles, by their hidden first argument; src/main.ts picks. */
export type Role = "__machine" | "__vmm" | "__files" | "__template" | "__probe-kvm";
export type ThreadRole = "__decode" | "__workspace";

/**
 * The variables that processes of a machine get of the user's: where things are, how texts are written, and our own
 * switches. All others stay behind. Some are secrets, which a process that lives for weeks should not show in /proc; with
 * others (BUN_OPTIONS, BUN_BE_BUN) whoever sets the environment of a command line would decide what those processes do.
 */
const PASSED_ON =
  /^(PATH|HOME|USER|LOGNAME|SHELL|TMPDIR|TZ|LANG|LANGUAGE|LC_[A-Z]+|LD_LIBRARY_PATH|XDG_[A-Z]+_(HOME|DIR|DIRS)|SMOLVM_(DEBUG|QEMU|ENGINE|CONFINE|CONFIG|DATA_DIR))$/;

/** For Bun.spawn. */
export interface SelfCommand {
  readonly command: [string, ...string[]];
  /** What `ps` shows in the place of the program. */
  readonly argv0: string;
  readonly env: Record<string, string>;
}

/** The command and environment of this program in another role. */
export function selfCommand(role: Role): SelfCommand {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && PASSED_ON.test(name)) env[name] = value;
  }
  return { command: [ownProgram(), role], argv0: process.execPath, env };
}

/**
 * This very program, also after another version has taken its place on the disk: a machine outlives upgrades, and what
 * it starts later has to understand it.
 */
function ownProgram(): string {
  return process.platform === "linux" && Bun.isStandaloneExecutable ? "/proc/self/exe" : process.execPath;
}

/** The same with words behind the role. From a source checkout the runtime is told which file to run. */
export function roleCommand(role: Role, ...words: string[]): SelfCommand {
  const { command, argv0, env } = selfCommand(role);
  if (Bun.isStandaloneExecutable) return { command: [...command, ...words], argv0, env };
  const [runtime, ...rest] = command;
  return { command: [runtime, `${import.meta.dir}/main.ts`, ...rest, ...words], argv0, env };
}

/** Starts a thread of this process in a role. What is sent to it before it says something may be lost. */
export function startThread(role: ThreadRole): Worker {
  const program = Bun.isStandaloneExecutable ? Bun.main : `${import.meta.dir}/main.ts`;
  return new Worker(program, { argv: [role] });
}
