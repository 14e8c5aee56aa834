/**
 * Runs the jobs of a CI pipeline side by side, each in a machine of its own that is gone when the job is.
 *
 *     bun jobs.ts JOBS.json PROJECT
 *
 * JOBS.json is `{"test": {"image": "node:24", "steps": ["npm ci", "npm test"], "timeoutMs": 600000}, …}`. Each job has a
 * copy of the folder PROJECT; a step that fails ends its job. Output comes as it is printed, a line at a time, behind its
 * job's name. The exit code is 1 if any job failed.
 */
import { Machine } from "smolvm";

interface Job {
  /** Default: the built-in image. */
  readonly image?: string;
  readonly steps: readonly string[];
  readonly timeoutMs?: number;
}

const WORK = "/work";
/** Jobs at a time: each has a processor and its memory. */
const AT_ONCE = 4;
const DEFAULT_TIMEOUT_MS = 30 * 60_000;

const [file, project] = process.argv.slice(2);
if (file === undefined || project === undefined) throw new Error("usage: bun jobs.ts JOBS.json PROJECT");
const jobs = Object.entries((await Bun.file(file).json()) as Record<string, Job>);

const waiting = jobs.values();
const failed: string[] = [];
await Promise.all(Array.from({ length: AT_ONCE }, worker));
for (const name of failed.sort()) console.log(`${name}: failed`);
process.exitCode = failed.length > 0 ? 1 : 0;

/** Takes one job after the other. */
async function worker(): Promise<void> {
  for (const [name, job] of waiting) {
    const why = await run(name, job).catch((error: Error) => error.message);
    if (why === undefined) continue;
    failed.push(name);
    console.log(`${name} | ${why}`);
  }
}

/** @returns why the job failed; undefined: it did not */
async function run(
  name: string,
  { image, steps, timeoutMs = DEFAULT_TIMEOUT_MS }: Job,
): Promise<string | undefined> {
  const signal = AbortSignal.timeout(timeoutMs);
  await using machine = await Machine.create({
    ...(image === undefined ? {} : { image }),
    labels: { job: name },
    cpus: 1,
    memoryMiB: 1024,
    signal,
  });
  await machine.copyIn(project as string, WORK);
  for (const step of steps) {
    console.log(`${name} | $ ${step}`);
    // With its errors among its output, in the order in which they were printed.
    await using process = await machine.spawn(["sh", "-ec", `exec 2>&1; ${step}`], { workdir: WORK, signal });
    for await (const line of process.lines()) console.log(`${name} | ${line}`);
    const { exitCode } = await process.exited;
    signal.throwIfAborted();
    if (exitCode !== 0) return `exit code ${exitCode}`;
  }
  return undefined;
}
