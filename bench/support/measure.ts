/** Measures of one command, from just before it is started. */

export interface CommandOptions {
  readonly env?: Record<string, string> | undefined;
  readonly cwd?: string | undefined;
  /** The command is killed, and the measure failed, after so many seconds. */
  readonly seconds?: number | undefined;
}

export interface Measured {
  /** Milliseconds to the first byte on stdout; NaN when there was none. */
  readonly firstOutput: number;
  /** Milliseconds to its end. */
  readonly total: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command. @throws Error with the last line of its stderr when it fails. */
export async function measureCommand(
  command: readonly string[],
  options: CommandOptions = {},
): Promise<Measured> {
  const start = performance.now();
  const child = Bun.spawn([...command], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: options.env ?? process.env,
    cwd: options.cwd ?? process.cwd(),
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), (options.seconds ?? 120) * 1000);
  const errors = new Response(child.stderr).text();
  let firstOutput = Number.NaN;
  let stdout = "";
  for await (const chunk of child.stdout) {
    if (stdout === "") firstOutput = performance.now() - start;
    stdout += Buffer.from(chunk).toString();
  }
  const code = await child.exited;
  const total = performance.now() - start;
  clearTimeout(timer);
  const stderr = await errors;
  if (code !== 0) throw new Error(`exit ${code}: ${stderr.trimEnd().split("\n").at(-1)}`);
  return { firstOutput, total, stdout, stderr };
}
