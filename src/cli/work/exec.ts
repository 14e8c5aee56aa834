import type { Context } from "../../context.ts";
import type { Variables } from "../../machine/index.ts";
import { type Machines, openMachines } from "../machines.ts";
import { environmentOf } from "../options/environment.ts";
import { type SecretValues, secretsOf } from "../options/lent.ts";
import { print } from "../output.ts";
import type { Variable } from "../values/environment.ts";

/** What a process in a machine has around it, as options say it. */
export interface Surroundings extends SecretValues {
  readonly env: readonly Variable[];
  readonly envFile: readonly string[];
  /** Empty: the machine's, as if nothing was said. */
  readonly workdir: string | undefined;
  readonly user: string | undefined;
}

interface Target {
  readonly machine: string;
  readonly argv: readonly string[];
  /** Start the machine first when it does not run. */
  readonly start: boolean;
}

interface Session {
  readonly interactive: boolean;
  readonly tty: boolean;
  readonly timeoutMs?: number | undefined;
}

/**
 * Runs a process in a machine as if it ran here. Writes nothing of its own while all goes well.
 *
 * @returns the exit code for this process
 */
export async function execShown(
  surroundings: Surroundings,
  target: Target,
  { interactive, tty, timeoutMs }: Session,
): Promise<number> {
  const [{ machines, context }, terminal] = await Promise.all([
    openMachines(),
    import("../terminal/index.ts"),
  ]);
  if (interactive) terminal.checkStdin();
  const variables = await variablesOf(surroundings);
  const machine = await reach(machines, context, target);
  const interrupts = new terminal.Interrupts();
  try {
    const env = await machines.execEnvironment(context, target.machine, variables);
    const request = requestOf(surroundings, target, env);
    const size = tty ? terminal.terminalSize() : undefined;
    const process = machine.exec({ ...request, tty: size, stdin: interactive });
    return await terminal.runInForeground(process, { interactive, tty, interrupts, timeoutMs });
  } finally {
    machine.close();
  }
}

/** Starts a process that outlives this command, and prints its id. Resolves to the exit code. */
export async function startDetachedShown(surroundings: Surroundings, target: Target): Promise<number> {
  const { machines, context } = await openMachines();
  const variables = await variablesOf(surroundings);
  const machine = await reach(machines, context, target);
  try {
    const env = await machines.execEnvironment(context, target.machine, variables);
    const request = requestOf(surroundings, target, env);
    const { id } = await machines.startDetached(machine, { ...request, stdin: false });
    await print(`${id}\n`);
    return 0;
  } finally {
    machine.close();
  }
}

async function variablesOf({ env, envFile, ...surroundings }: Surroundings): Promise<Variables> {
  return { env: await environmentOf({ env, envFile }), secrets: secretsOf(surroundings) };
}

function requestOf({ workdir, user }: Surroundings, { argv }: Target, env: readonly string[]) {
  return { argv, env, cwd: workdir || undefined, user: user || undefined };
}

async function reach(machines: Machines, context: Context, { machine: name, start }: Target) {
  if (start) {
    const { SILENT, startShown } = await import("./start.ts");
    await startShown(context, name, SILENT);
  }
  return await machines.connectMachine(context, name);
}
