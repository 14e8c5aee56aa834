import { messageOf, SmolError } from "../../errors.ts";
import { ConsoleTail } from "../console.ts";
import { qemuMachine } from "../qemu/arguments.ts";
import { findQemu, qemuName } from "../qemu/binary.ts";
import type { Verdict } from "../types.ts";
import { installCommand } from "./packages.ts";

const OLDEST = [7, 2] as const;
const TRIAL_MS = 10_000;

/** Whether QEMU is there, new enough, and really starts the machine that we would give it. */
export async function tryQemu(env: Readonly<Record<string, string | undefined>>): Promise<Verdict> {
  const no = (reason: string, fix?: string, details: Record<string, string> = {}): Verdict => ({
    engine: "qemu",
    works: false,
    reason,
    fix,
    details,
  });
  const machine = qemuMachine();
  if (machine === undefined) return no(`smolvm has no QEMU machine for ${process.arch}`);
  let path: string | undefined;
  try {
    path = findQemu(env)?.path;
  } catch (error) {
    return no(messageOf(error), error instanceof SmolError ? error.hint : undefined);
  }
  if (path === undefined) return no(`${qemuName()} is not in PATH`, await installCommand("qemu"));
  const version = parseVersion((await run([path, "--version"])).output);
  if (version === undefined) return no("`--version` does not look like QEMU's", undefined, { path });
  const details = { path, version: version.join(".") };
  if (version[0] < OLDEST[0] || (version[0] === OLDEST[0] && version[1] < OLDEST[1])) {
    const upgrade = "install QEMU 7.2 or newer (Debian 12, Ubuntu 23.04 and later have it)";
    return no(`QEMU ${details.version} is too old`, upgrade, details);
  }
  const trial = await tryMachine(path, machine.machineArguments);
  if (trial !== undefined) {
    const timeout = trial.late ? { timeout: "yes" } : undefined;
    return no(`QEMU cannot start our machine: ${trial.why}`, await installCommand("qemu"), {
      ...details,
      ...timeout,
    });
  }
  return { engine: "qemu", works: true, reason: `QEMU ${details.version} emulates in software`, details };
}

/**
 * Has QEMU build a machine, and quit before the guest's first instruction.
 *
 * @returns undefined when it can; else its last words, and whether it took too long
 */
export async function tryMachine(
  path: string,
  machineArguments: readonly string[],
): Promise<{ why: string; late: boolean } | undefined> {
  const command = [path, ...machineArguments, "-m", "64M", "-S", "-monitor", "stdio"];
  const { code, output } = await run(command, "quit\n");
  if (code === 0) return undefined;
  // The monitor's prompt, and the program's name before what it says.
  const last = (output.split("\n").at(-1) ?? "").replace(/^(\(qemu\) )?(qemu-system-\w+: )?/, "");
  return { why: last || "no message", late: code === null };
}

/** `QEMU emulator version 7.2.22 (Debian …)` → [7, 2, 22]. */
export function parseVersion(output: string): [number, number, number] | undefined {
  const match = /\bversion (\d{1,3})\.(\d{1,3})(?:\.(\d{1,3}))?/.exec(output);
  return match ? [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)] : undefined;
}

async function run(command: string[], input = ""): Promise<{ code: number | null; output: string }> {
  const output = new ConsoleTail();
  try {
    const child = Bun.spawn(command, {
      env: { LC_ALL: "C" },
      stdin: Buffer.from(input),
      stdout: "pipe",
      stderr: "pipe",
      timeout: TRIAL_MS,
      killSignal: "SIGKILL",
    });
    const collect = async (stream: ReadableStream<Uint8Array>) => {
      for await (const chunk of stream) output.push(chunk);
    };
    await Promise.all([collect(child.stdout), collect(child.stderr), child.exited]);
    return { code: child.exitCode, output: output.text() };
  } catch (error) {
    return { code: 1, output: messageOf(error) };
  }
}
