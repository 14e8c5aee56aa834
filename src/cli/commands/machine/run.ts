import type { Confinement } from "../../../confine/index.ts";
import { ExitCode, SmolError } from "../../../errors.ts";
import { describeInit } from "../../init-words.ts";
import { runOptions } from "../../options/run-options.ts";
import type { RunInvocation, RunRequest } from "../../options/run-request.ts";
import { complain, warn } from "../../output.ts";
import { command } from "../../program/command.ts";
import type { Timings } from "../../terminal/index.ts";

export const run = command({
  path: ["machine", "run"],
  duration: "slow",
  interactive: true,
  summary: "Run a command in a new machine, and remove the machine unless -d",
  options: runOptions,
  arguments: { kind: "command", required: false },
  failureCode: ExitCode.beforeCommand,
  text: `Boots a machine, runs COMMAND in it, passes stdout, stderr and the exit code through, and removes
the machine. Nothing that the command changes outlives it.

Without COMMAND, the image's own runs, or with -i or -t and an image that has none, a shell.

Options end at the first word that is not one, or at --; everything after that is COMMAND and
reaches the guest unchanged. -- is never wrong: smolvm machine run [OPTIONS] -- COMMAND.

IMAGE is a name as docker has them (alpine, ghcr.io/owner/name:tag, name@sha256:...), a file made by
docker save or podman save (also gzip or zstd), an OCI image layout (directory or archive), a
directory that holds a root filesystem, or - for such an archive on stdin. It is a path when it
begins with /, ./ or ../ or ends in .tar, .tar.gz, .tgz, .tar.zst or .tar.xz. FILE.tar:NAME chooses
one of several images in an archive or a layout by its name or tag. An image of a registry is
downloaded the first time and kept: --pull always looks for a newer one, --pull never works offline.
The download is shown on stderr as images pull --help describes. Without --image the machine runs
Alpine Linux, with apk. ENTRYPOINT, CMD, ENV, WORKDIR and USER of the image apply as in docker:
COMMAND replaces CMD, and --entrypoint replaces ENTRYPOINT and drops CMD.

--from runs a pack, FILE.smolmachine: image and settings are in it, and options win. Its files are
unpacked once, into the image cache. --image with the name of a pack in a registry does the same, as
does the image of a Smolfile, whose settings win over the pack's; the registry is asked for it when
--pull says so, as for an image.

Without an option of "Network" the machine has none; images are pulled by the host all the same.
--net opens everything outside, --allow-host and its like only what they name, -p a port into it.

The command is process 1 of its machine; --reaper puts a small one in front that reaps orphans, and
--init needs one too. On stderr, "Starting ephemeral machine (NAME)..." says that it starts; -q
leaves that, the progress of a download and what init commands print out.

With -d the machine is one that stays, as machine create and start make it: it is called default
unless --name says otherwise, runs COMMAND or the image's own in the background, and goes on when
that has ended.

Without -i the command's stdin is empty. -i and -t together make a terminal session.

Exit codes: the command's own; 128+N when signal N ended it; 0 when it powered the machine off or
restarted it; 124 after --timeout; 125 when smolvm failed before the command ran; 126 when it cannot
be executed; 127 when it does not exist; 2 for wrong options; 1 when there is nothing to run.`,
  examples: [
    { command: 'smolvm machine run -- echo "hello from a microVM"' },
    { command: "smolvm machine run -it", comment: "a shell" },
    { command: "smolvm machine run --image alpine:3.20 -- cat /etc/os-release" },
    { command: "smolvm machine run -q --pull always --image ghcr.io/owner/app -- ./app" },
    { command: "smolvm machine run --image ./app.tar -- ./app --its-own-option" },
    { command: "docker save app | smolvm machine run --image - -- ./app" },
    { command: "smolvm machine run --image ./rootfs/ -e TOKEN -w /srv -- make test" },
    { command: "tar c src | smolvm machine run -i -w /workspace -- sh -c 'tar x && ls src'" },
    { command: "smolvm machine run -d --name web --image nginx", comment: "then machine exec, logs, stop" },
    { command: "smolvm machine run --allow-host example.com -- wget -qO- http://example.com" },
    { command: "smolvm machine run --cpus 2 --mem 1G --timeout 5m -- ./untrusted" },
  ],
  run: runInMachine,
});

/** Resolves to the exit code of the command. */
export async function runInMachine(invocation: RunInvocation): Promise<number> {
  const { notesOn, requestOf } = await import("../../options/run-request.ts");
  const request = await requestOf(invocation);
  for (const note of await notesOn(invocation)) warn(note);
  try {
    return await runAsked(invocation, request);
  } catch (error) {
    // Only the registry knows: nothing is asked twice for what is an image.
    const { image } = request.spec;
    const isPack = error instanceof SmolError && error.code === "image.is_a_pack";
    if (!isPack || image === null) throw error;
    const { packOfRegistry } = await import("../../work/remote-pack.ts");
    const pack = await packOfRegistry(image, invocation.values);
    return await runAsked(invocation, await requestOf(invocation, pack));
  }
}

async function runAsked(invocation: RunInvocation, { spec, image }: RunRequest): Promise<number> {
  const [{ openEphemeral }, terminal, { reportPull }, { makeContext }] = await Promise.all([
    import("../../../machine/index.ts"),
    import("../../terminal/index.ts"),
    import("../../progress/pull-report.ts"),
    import("../../context.ts"),
  ]);
  const { values } = invocation;
  const { interactive, tty } = values;
  if (values.detach) {
    const { runDetached } = await import("../../work/run-detached.ts");
    return await runDetached(spec, image, values).finally(() => image.pack?.close());
  }
  for (const { kind, target } of isAnnounced(invocation) ? spec.volumes : [])
    if (kind === "overlay") warn(`what is changed in ${target} is lost at the end; machine create keeps it`);
  const report = reportPull({ ...values, upToDate: false });
  const timings = new terminal.Timings();
  let confinement: Confinement | undefined;
  let goesOn = false;
  const interrupts = new terminal.Interrupts();
  const machine = await openEphemeral(makeContext(), spec, {
    ...image,
    confine: values.confine,
    interactive,
    tty: tty ? terminal.terminalSize() : undefined,
    stdin: spec.image === "-" ? terminal.readStdin() : undefined,
    signal: interrupts.signal,
    onPull: report.onPull,
    onPhase: (phase) => timings.end(phase),
    onConfined: (found) => {
      confinement = found;
    },
    onStart: async () => {
      await report.end();
      if (isAnnounced(invocation)) complain(`Starting ephemeral machine (${spec.name})...`);
    },
    onEvent: (event) => {
      const line = isAnnounced(invocation) ? describeInit(event) : undefined;
      if (line !== undefined) complain(line);
    },
    // stdout is the command's alone.
    onInitOutput: (_, chunk) => (isAnnounced(invocation) ? terminal.writeFully(2, chunk) : undefined),
  });
  timings.end("startup");
  const running = showRun();
  try {
    return await Promise.race([running, interrupts.expired]);
  } catch (error) {
    throw perhapsAnImage(invocation, error);
  } finally {
    await machine.end();
    await image.pack?.close();
    await terminal.settled(running);
    timings.end("teardown");
    await report.end();
    await showTimings(values.timings, timings, confinement, goesOn);
  }

  async function showRun(): Promise<number> {
    const started = machine.started.then((report) => {
      timings.end("spawn", report.launchedAt);
      timings.end("kernel", report.initAt);
      timings.end("agent", report.readyAt);
      goesOn = report.template?.used ?? false;
      return report.notes;
    });
    started.catch(() => {});
    const finished = terminal.runInForeground(await machine.command, {
      interactive,
      tty,
      interrupts,
      timeoutMs: values.timeout,
      memoryMib: spec.memoryMib,
      onFirstOutput: () => timings.end("first output"),
    });
    finished.catch(() => {});
    // A failed start explains more than the command that it took down.
    const notes = await started;
    // A terminal shows the command's screen until that has ended.
    if (!tty) notes.map(warn);
    const exitCode = await finished;
    timings.end("run");
    if (tty) notes.map(warn);
    return exitCode;
  }
}

/** On stderr, after the command's own output; nothing when there was no start to be measured. */
async function showTimings(
  format: "text" | "json" | undefined,
  timings: Timings,
  confinement: Confinement | undefined,
  goesOn: boolean,
): Promise<void> {
  if (format === undefined || confinement === undefined || !timings.has("agent")) return;
  const [{ writeFully }, { summarizeLayers }] = await Promise.all([
    import("../../terminal/index.ts"),
    import("../../../confine/index.ts"),
  ]);
  const layers = `confined by  ${summarizeLayers(confinement)}`;
  const guest = goesOn ? "\nwent on from a saved guest" : "";
  const text = format === "json" ? JSON.stringify(timings) : `${timings}\n${layers}${guest}`;
  await writeFully(2, Buffer.from(`${text}\n`)).catch(() => {});
}

/** Whoever wants silence, or JSON on stderr, gets no text there. */
function isAnnounced({ values: { quiet, progress, timings } }: RunInvocation): boolean {
  return !quiet && progress !== "none" && progress !== "json" && timings !== "json";
}

/** docker puts the image where our command is: `machine run alpine` finds no program of that name. */
function perhapsAnImage({ values, workload: [program = ""] }: RunInvocation, error: unknown): unknown {
  const isUnknown = error instanceof SmolError && error.code === "exec.not_found";
  if (!isUnknown || values.image !== undefined || !/^[a-z0-9][a-z0-9._-]*$/.test(program)) return error;
  const { code, message, exitCode } = error;
  return new SmolError(code, message, {
    hint: `if ${program} is meant as an image: smolvm machine run --image ${program} -- COMMAND`,
    cause: error,
    exitCode,
  });
}
