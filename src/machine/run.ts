import { resolvePaths } from "../config/paths.ts";
import { chooseEngine } from "../engine/index.ts";
import { writeFully } from "../stdio/index.ts";
import { OwnedMachine } from "./client.ts";
import { libkrunSource, resolveFiles, resolveImage } from "./files.ts";
import { runInForeground } from "./foreground.ts";
import { Interrupted, Interrupts, settled } from "./interrupt.ts";
import { checkMachineName, makeMachineName } from "./name.ts";
import type { MachineDescription } from "./record.ts";
import type { RunRequest } from "./request.ts";
import { hostnameOf, initEnvironment, isInitSystem } from "./root/index.ts";
import { Timings } from "./timings.ts";
import { mergeEnvironment, planWorkload, requireCommand } from "./workload.ts";

/**
 * `machine run`: boots a machine, runs one command in it in the foreground, and leaves nothing behind.
 *
 * @returns the exit code for this process
 * @throws SmolError for anything that keeps the command from running, and when it runs too long
 */
export async function runEphemeral(request: RunRequest): Promise<number> {
  requireCommand(request);
  const name = request.name === undefined ? makeMachineName() : checkMachineName(request.name);
  const timings = new Timings();
  const interrupts = new Interrupts();
  // Before anything is known about image and engine: its start-up runs beside that.
  const machine = new OwnedMachine();
  timings.end("startup");
  const running = runIn(machine, name, request, interrupts, timings);
  try {
    return await Promise.race([running, interrupts.expired]);
  } catch (error) {
    if (error instanceof Interrupted) return error.exitCode;
    throw error;
  } finally {
    await machine.end();
    await settled(running);
    timings.end("teardown");
    await reportTimings(request, timings);
  }
}

/** On stderr, after the command's own output; nothing when there was no start to be measured. */
async function reportTimings(request: RunRequest, timings: Timings): Promise<void> {
  if (request.timings === undefined || !timings.has("agent")) return;
  const report = request.timings === "json" ? JSON.stringify(timings) : `${timings}`;
  await writeFully(2, Buffer.from(`${report}\n`)).catch(() => {});
}

async function runIn(
  owned: OwnedMachine,
  name: string,
  request: RunRequest,
  interrupts: Interrupts,
  timings: Timings,
): Promise<number> {
  const paths = resolvePaths();
  const { engine } = await chooseEngine({
    requested: request.engine,
    cacheDir: paths.cache,
    libkrun: libkrunSource(paths),
  });
  timings.end("probe");
  const image = await resolveImage(request, paths, interrupts.signal);
  const planned = planWorkload(request, image, hostnameOf(name));
  const initSystem = isInitSystem(planned.argv);
  const env = initSystem ? mergeEnvironment(initEnvironment, planned.env) : planned.env;
  const workload = { ...planned, env };
  const files = await resolveFiles(engine, image, request, paths);
  timings.end("image");
  const machine: MachineDescription = {
    name,
    ephemeral: true,
    engine: engine.name,
    cpus: request.cpus,
    memoryMib: request.memoryMib,
    storageGib: request.storageGib,
    overlayGib: request.overlayGib,
    mitigations: request.mitigations,
    image: request.image ?? null,
    imageId: image.id,
    entrypoint: image.entrypoint,
    cmd: image.cmd,
    env: workload.env,
    workdir: workload.cwd,
    user: workload.user,
  };
  const root = {
    bare: request.image === undefined,
    volumes: image.volumes,
    initSystem,
    terminal: request.tty,
  };
  await request.onStart?.(name);
  const started = owned.start({ machine, paths, files, root }).then((report) => {
    timings.end("spawn", report.launchedAt);
    timings.end("kernel", report.initAt);
    timings.end("agent", report.readyAt);
    return report.notes;
  });
  // The command is on its way to the machine before the machine runs: no round trip between start and command.
  const finished = runInForeground(workload, (exec) => owned.exec(exec), {
    interactive: request.interactive,
    tty: request.tty,
    timeoutMs: request.timeoutMs,
    memoryMib: request.memoryMib,
    interrupts,
    onFirstOutput: () => timings.end("first output"),
  });
  finished.catch(() => {});
  // A failed start explains more than the command that it took down.
  const notes = await started;
  const tell = () => {
    for (const note of notes) request.onNote?.(note);
  };
  // A terminal shows the workload's screen until that has ended.
  if (!request.tty) tell();
  const exitCode = await finished;
  timings.end("run");
  if (request.tty) tell();
  return exitCode;
}
