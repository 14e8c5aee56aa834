import { hostPlatform } from "../../image/platform.ts";
import { isLocalImage } from "../../image/source-kind.ts";
import type { ImageOptions } from "../../machine/index.ts";
// Not the folder's faces, which load more.
import type { MachineSpec } from "../../machine/model/index.ts";
import { makeMachineName } from "../../machine/model/name.ts";
import type { PackSource } from "../../pack/index.ts";
import { oneLine, quote } from "../../values/index.ts";
import type { Invocation } from "../program/types.ts";
import { checkStdin } from "../terminal/input.ts";
import { usageError } from "../usage.ts";
import { describeMachine } from "./describe.ts";
import { engineFromEnvironment } from "./engine.ts";
import { backendNote } from "./network-options.ts";
import { pullSettings } from "./pull-settings.ts";
import type { runOptions } from "./run-options.ts";

export type RunInvocation = Invocation<typeof runOptions>;

/** What `machine run` was asked for. */
export interface RunRequest {
  readonly spec: MachineSpec;
  readonly image: ImageOptions;
}

/**
 * What the arguments ask for, checked as far as that is possible without looking at the image.
 *
 * @param behind the pack that `--image` turned out to name
 * @throws SmolError with exit code 2; `machine.bad_setting`, `smolfile.*`
 */
export async function requestOf(invocation: RunInvocation, behind?: PackSource): Promise<RunRequest> {
  const { values, workload } = invocation;
  if (values.image === "-" && (values.interactive || values.tty)) {
    throw usageError(
      "run.stdin_taken",
      "--image - cannot be used with -i or -t: the image comes on stdin, so the command has none",
      "save the image to a file first, and give --image FILE",
    );
  }
  if (values.interactive) checkStdin();
  rejectImageAsCommand(invocation);
  rejectOtherArchitecture(invocation);
  const { detach, smolfile } = values;
  const pack = behind ?? (await packed(values));
  if (values.egress === "learn" && !detach) {
    throw usageError(
      "cli.network_options",
      "--egress learn needs a machine that stays: what it has used is read afterwards",
      "add -d",
    );
  }
  const spec = await describeMachine(values, {
    smolfile,
    pack,
    name: values.name ?? (detach ? "default" : makeMachineName()),
    ephemeral: !detach,
    words: workload,
    wordsAre: "command",
    // What lasts may be started where another one works.
    engine: detach ? undefined : engineFromEnvironment(),
  });
  const image = { pull: values.pull, platform: values.platform, ...pullSettings(values) };
  return { spec, image: { ...image, pack } };
}

/** Most machines are made of no pack: what that takes is loaded for those that are. */
async function packed(values: RunInvocation["values"]): Promise<PackSource | undefined> {
  if (values.from === undefined && values.verifyKeys.length === 0) return undefined;
  return await (await import("../work/open-pack.ts")).packOf(values);
}

/** docker puts the image first, `run alpine:3.20 echo hi`; no program of the base image is called like that. */
function rejectImageAsCommand({ values, workload, explicit }: RunInvocation): void {
  const [first] = workload;
  const isSaid = values.image !== undefined || values.from !== undefined;
  if (first === undefined || explicit || isSaid) return;
  const isPath = /^\.{0,2}\//.test(first);
  if (isPath || !/[:/]/.test(first)) return;
  throw usageError(
    "run.image_as_command",
    `${quote(first)} looks like a container image reference, and here a command is expected`,
    `smolvm machine run --image ${oneLine(first)} -- COMMAND; if it really is a command, put -- before it`,
  );
}

/** Nothing translates between architectures: better said before an image is downloaded for nothing. */
function rejectOtherArchitecture({ values: { platform } }: RunInvocation): void {
  const own = hostPlatform().architecture;
  if (platform === undefined || platform.architecture === own) return;
  const { os, architecture } = platform;
  throw usageError(
    "run.other_architecture",
    `a machine here runs linux/${own}, not ${os}/${architecture}`,
    `\`smolvm images pull --oci-platform ${os}/${architecture}\` gets such an image without running it`,
  );
}

/** What the user should know before the machine starts, one sentence each. */
export async function notesOn(invocation: RunInvocation): Promise<readonly string[]> {
  const { values, workload } = invocation;
  const notes: string[] = [];
  if (workload.some((word) => word.startsWith("--"))) {
    const { findMisplaced } = await import("../explain/misplaced.ts");
    notes.push(...findMisplaced(invocation));
  }
  notes.push(...pointlessOptions(invocation));
  const processors = navigator.hardwareConcurrency;
  if (values.cpus !== undefined && values.cpus > processors) {
    notes.push(`${values.cpus} virtual CPUs share the ${processors} of this host`);
  }
  return notes;
}

/** Options about registries where none is asked. */
const ABOUT_REGISTRIES = ["pull", "platform", "maxImageSize"] as const;

/** Options about what happens to a machine that outlives its command. */
const ABOUT_LASTING = [
  ...(["restart", "restartBackoff", "ttl", "idleTimeout", "onTimeout", "stopSignal", "stopTimeout"] as const),
  ...(["healthCommand", "healthInterval", "healthTimeout", "healthRetries", "healthGrace"] as const),
];

function pointlessOptions({ values, given, command }: RunInvocation): string[] {
  const { image, pull, detach } = values;
  const without = (keys: readonly (keyof typeof values)[], missing: string) =>
    keys
      .filter((key) => given.has(key))
      .map((key) => `--${command.options[key]?.long} has no effect without ${missing}`);
  const backend = backendNote(values.netBackend);
  const notes = backend === undefined ? [] : [backend];
  if (!detach) notes.push(...without(ABOUT_LASTING, "-d"));
  if (image === undefined) return [...notes, ...without(ABOUT_REGISTRIES, "--image")];
  if (pull !== "always" || !isLocalImage(image)) return notes;
  return [...notes, `--pull always has no effect: ${quote(image)} is not an image of a registry`];
}
