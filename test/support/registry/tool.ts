/**
 * Runs another tool to its end while servers of this process go on answering (which `run` of test/image/tools.ts does
 * not allow). It finds nobody's credentials or settings.
 *
 * @returns its stdout
 * @throws Error with its stderr when it fails
 */
export async function tool(command: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const child = Bun.spawn([...command], {
    env: { PATH: process.env.PATH ?? "/usr/bin:/bin", HOME: "/nonexistent", ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [output, complaint] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (child.exitCode === 0) return output;
  throw new Error(`${command.join(" ")}: exit code ${child.exitCode}: ${complaint.trim()}`);
}
