/** What a host has to confine processes with, found out by trying, as for engines: what a kernel lists proves little. */
import { readFileSync, readlinkSync } from "node:fs";
import { landlockVersion } from "../../ffi/libc.ts";
import { bootId, keepAnswer, keptAnswer } from "../host/index.ts";
import { findCgroups } from "./cgroup.ts";
import { takeFailureLine } from "./failure-line.ts";
import { startLauncher } from "./launch.ts";
import { planLaunch } from "./plan.ts";
import { architectureOf } from "./seccomp/index.ts";
import { type ConfinedProgram, type HostLayers, type LayerName, NO_LAYERS } from "./types.ts";
import { FIRST_USER } from "./user.ts";

export interface LayersOptions {
  /** The launcher's file. */
  readonly launcher: string;
  /** Where the answer is kept, as `confine.json`. */
  readonly cacheDir: string;
}

/** Trials take milliseconds; an emulated machine with ten others needs most of a second. */
const TRIAL_MS = 10_000;

/** A process's namespaces decide what it may have: a container's answer is not its host's, though they share a home. */
const SURROUNDINGS = ["/proc/self/ns/user", "/proc/self/ns/mnt"];

/** EAGAIN, ENOMEM, ENFILE, EMFILE, ENOSPC (as many namespaces as there may be): a moment later there may be room. */
const passingErrors: ReadonlySet<number> = new Set([11, 12, 23, 24, 28]);

/** What is the same for all of this user's processes here. */
type LastingLayers = Omit<HostLayers, "cgroup">;

/** Why a trial did not work. */
interface Failure {
  readonly reason: string;
  /** It says something about this moment, and not about the host. */
  readonly passing: boolean;
}

/** Kept until the host boots again, or somebody changes who may have namespaces; not kept where something was short. */
export async function findLayers(options: LayersOptions): Promise<HostLayers> {
  return withCgroup(await findLasting(options));
}

async function findLasting(options: LayersOptions): Promise<LastingLayers> {
  const path = `${options.cacheDir}/confine.json`;
  const key = layersKey(options.launcher);
  const kept = readKept(path, key);
  if (kept !== undefined) return kept;
  const { layers, lasting } = await tryAll(options.launcher);
  if (lasting) keepAnswer(path, { key, layers });
  return layers;
}

/** The same without a look at what was kept. */
export async function tryLayers(launcher: string): Promise<HostLayers> {
  return withCgroup((await tryAll(launcher)).layers);
}

/** Which cgroups are this process's to divide differs between two sessions of a user. */
function withCgroup(layers: LastingLayers): HostLayers {
  const { parent, reason } = findCgroups();
  return {
    ...layers,
    cgroup: parent,
    reasons: parent === null ? { ...layers.reasons, cgroup: reason } : layers.reasons,
  };
}

async function tryAll(launcher: string): Promise<{ layers: LastingLayers; lasting: boolean }> {
  let lasting = true;
  const reasons: Partial<Record<LayerName, string>> = {};
  const version = landlockVersion();
  const works = async (layers: Partial<HostLayers>): Promise<string | undefined> => {
    const failure = await tryStart(launcher, { ...NO_LAYERS, ...layers });
    if (failure?.passing) lasting = false;
    return failure?.reason;
  };

  const withLandlock = version === 0 ? "this kernel has no Landlock" : await works({ landlock: version });
  const landlock = withLandlock === undefined ? version : 0;
  if (withLandlock !== undefined) reasons.landlock = withLandlock;

  let seccomp: HostLayers["seccomp"] = "none";
  const architecture = architectureOf();
  const watched =
    architecture === undefined ? `no list for ${process.arch}` : await works({ seccomp: "watched" });
  if (watched === undefined) seccomp = "watched";
  else if (architecture !== undefined && (await works({ seccomp: "plain" })) === undefined) seccomp = "plain";
  if (watched !== undefined) reasons.seccomp = watched;

  const isRoot = process.geteuid?.() === 0;
  let user: HostLayers["user"] = isRoot ? "none" : "unneeded";
  let namespaces: HostLayers["namespaces"] = "none";
  // Root needs no user namespace to have the others.
  const own = isRoot ? await works({ namespaces: "root", user: "own" }) : "";
  const whole = own === undefined ? undefined : await works({ namespaces: "root" });
  if (own === undefined) user = "own";
  else if (isRoot) reasons.user = own;
  if (whole === undefined) namespaces = "root";
  else if ((await works({ namespaces: "bare" })) === undefined) namespaces = "bare";
  if (whole !== undefined) reasons.namespaces = whole;
  return { layers: { landlock, seccomp, namespaces, user, reasons }, lasting };
}

/** Starts the launcher through itself, confined like that; undefined when that works, else why it does not. */
async function tryStart(launcher: string, layers: HostLayers): Promise<Failure | undefined> {
  const program: ConfinedProgram = {
    profile: "qemu",
    command: [launcher, "nothing"],
    environment: [],
    paths: [{ path: launcher, rights: "execute" }],
    sockets: [],
    addressSpaceBytes: 2 ** 30,
    fileBytes: 2 ** 30,
    threads: 64,
  };
  const user = layers.user === "own" ? FIRST_USER : undefined;
  const order = planLaunch(program, { mode: "auto", host: layers, user });
  const child = startLauncher(launcher, order);
  const timer = setTimeout(() => child.kill(), TRIAL_MS);
  try {
    const [{ code, signal }, output] = await Promise.all([child.exited, child.messages.text()]);
    if (code === 0) return undefined;
    const { told = "{}" } = takeFailureLine(output);
    const { what, errno = 0 }: { what?: string; errno?: number } = JSON.parse(told);
    if (what !== undefined) return { reason: `${what}: errno ${errno}`, passing: passingErrors.has(errno) };
    // It took too long, or something ended it from outside (the kernel, short of memory).
    if (signal === "SIGKILL") return { reason: `it ended with ${signal}`, passing: true };
    return { reason: `it ended with ${signal ?? `exit code ${code}`}`, passing: false };
  } finally {
    clearTimeout(timer);
  }
}

/** All that decides it and can change while the host runs. */
function layersKey(launcher: string): string {
  const switches = [
    "/proc/sys/user/max_user_namespaces",
    "/proc/sys/kernel/unprivileged_userns_clone",
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
  ];
  return [
    bootId(),
    launcher,
    process.geteuid?.(),
    ...SURROUNDINGS.map((path) => orNone(() => readlinkSync(path))),
    ...switches.map((path) => orNone(() => readFileSync(path, "utf8").trim())),
  ].join(" ");
}

function orNone(read: () => string): string {
  try {
    return read();
  } catch {
    return "-";
  }
}

function readKept(path: string, key: string): LastingLayers | undefined {
  const kept = keptAnswer(path) as { key?: unknown; layers?: unknown } | null | undefined;
  return kept?.key === key && isLayers(kept.layers) ? kept.layers : undefined;
}

function isLayers(value: unknown): value is LastingLayers {
  const layers = value as LastingLayers | null | undefined;
  return (
    Number.isInteger(layers?.landlock) &&
    ["watched", "plain", "none"].includes(layers?.seccomp ?? "") &&
    ["root", "bare", "none"].includes(layers?.namespaces ?? "") &&
    ["own", "none", "unneeded"].includes(layers?.user ?? "") &&
    typeof layers?.reasons === "object"
  );
}
