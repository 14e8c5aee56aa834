import { openMachines } from "./machines.ts";
import { environmentOf } from "./options/environment.ts";
import { print } from "./output.ts";
import { silent, startShown } from "./start-shown.ts";
import type { Variable } from "./values/environment.ts";

/** What a command has around it, as options say it. */
export interface Surroundings {
  readonly env: readonly Variable[];
  readonly envFile: readonly string[];
  readonly workdir: string | undefined;
  readonly user: string | undefined;
}

export interface ShownExec {
  readonly machine: string;
  readonly argv: readonly string[];
  readonly interactive: boolean;
  readonly tty: boolean;
  readonly timeoutMs?: number | undefined;
  /** Start the machine first when it does not run. */
  readonly start: boolean;
}

/**
 * Runs a process in a machine as if it ran here. Writes nothing of its own while all goes well.
 *
 * @returns the exit code for this process
 */
export async function execShown(surroundings: Surroundings, exec: ShownExec): Promise<number> {
  const [{ machines, context }, terminal] = await Promise.all([
    openMachines(),
    import("./terminal/index.ts"),
  ]);
  const { interactive, tty, timeoutMs } = exec;
  if (interactive) terminal.checkStdin();
  const env = await environmentOf(surroundings);
  if (exec.start) await startShown(context, exec.machine, silent);
  const interrupts = new terminal.Interrupts();
  const machine = await machines.connectMachine(context, exec.machine);
  try {
    const process = machine.exec({
      env,
      argv: exec.argv,
      cwd: surroundings.workdir || undefined,
      user: surroundings.user || undefined,
      tty: tty ? terminal.terminalSize() : undefined,
      stdin: interactive,
    });
    return await terminal.runInForeground(process, { interactive, tty, interrupts, timeoutMs });
  } finally {
    machine.close();
  }
}

/** Starts a process that outlives this command, and prints its id. Resolves to the exit code. */
export async function startDetachedShown(
  surroundings: Surroundings,
  { machine: name, argv, start }: Pick<ShownExec, "machine" | "argv" | "start">,
): Promise<number> {
  const { machines, context } = await openMachines();
  const env = await environmentOf(surroundings);
  if (start) await startShown(context, name, silent);
  const machine = await machines.connectMachine(context, name);
  try {
    const { workdir, user } = surroundings;
    const request = { env, argv, cwd: workdir || undefined, user: user || undefined, stdin: false };
    const { id } = await machines.startDetached(machine, request);
    await print(`${id}\n`);
    return 0;
  } finally {
    machine.close();
  }
}
