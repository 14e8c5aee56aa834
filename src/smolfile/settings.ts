import { join, resolve } from "node:path";
import { isLocalImage } from "../image/source-kind.ts";
import type { SpecLayer, Volume } from "../machine/model/index.ts";
import { parsePorts } from "../machine/model/parse-ports.ts";
import { parseHostRule, parseRangeRule } from "../net/policy/rules.ts";
import { parseVolume } from "../values/mount.ts";
import { parsePolicy } from "./formats.ts";
import type { Smolfile } from "./parse.ts";
import type { SmolfileContent } from "./schema.ts";
import { MAX_SPAN_MS, type SizeUnit, sizeIn, spanMs } from "./values.ts";

/** The type of `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What a Smolfile says about a machine that is run or created from it: the sections of packs say nothing here. Keys
 * that this release has no use for are not looked at: see `unavailableProblems`.
 *
 * @param environment the host's, for variables that are passed on; one that it does not have is left out
 */
export function smolfileSettings({ content, directory }: Smolfile, environment: Environment): SpecLayer {
  const { dev = {}, labels, reaper, mitigations, gpu } = content;
  const from = (text: string): Volume => volumeFrom(directory, text);
  const variables = [...(content.env ?? []), ...(dev.env ?? [])];
  return {
    engine: undefined,
    cpus: content.cpus,
    memoryMib: sized(content.memory, "MiB"),
    storageGib: sized(content.storage, "GiB"),
    overlayGib: sized(content.overlay, "GiB"),
    mitigations,
    gpu,
    gpuVramMib: content.gpu_vram,
    image: imageFrom(directory, content.image),
    platform: content.oci_platform,
    entrypoint: entrypointOf(content.entrypoint),
    cmd: someOf(content.cmd),
    env: variables.flatMap((entry) => resolved(entry.trim(), environment)),
    workdir: dev.workdir ?? content.workdir,
    user: content.user,
    rlimits: undefined,
    reaper,
    init: someOf(dev.init) ?? content.init,
    initOnce: someOf(dev.init_once) ?? content.init_once,
    labels,
    restart: restartOf(content.restart),
    health: healthOf(content.health),
    ttlMs: milliseconds(content.ttl),
    idleTimeoutMs: milliseconds(content.idle_timeout),
    onTimeout: content.on_timeout,
    stopSignal: content.stop_signal,
    stopTimeoutMs: milliseconds(content.stop_timeout),
    pids: content.pids,
    diskBps: sized(content.disk_bps, "bytes"),
    network: networkOf(content),
    ports: portsOf(someOf(dev.ports) ?? content.ports),
    secrets: secretsOf(content.secrets),
    sshAgent: content.auth?.ssh_agent,
    sshAgentKeys: someOf(content.auth?.ssh_agent_keys),
    mountSockets: undefined,
    exposeSockets: undefined,
    volumes: someOf(dev.volumes ?? [])?.map(from) ?? someOf(content.volumes)?.map(from),
    tmpfs: undefined,
  };
}

/** What a Smolfile says about a machine that is packed: see `loadPackedSmolfile`. */
export function packedSettings(file: Smolfile, environment: Environment): SpecLayer {
  const { dev: _, artifact, pack, ...content } = file.content;
  // Only one counts.
  const { cpus, memory, entrypoint, cmd, oci_platform } = artifact ?? pack ?? {};
  const isOwn = (entrypoint ?? []).length > 0;
  const packed = {
    ...content,
    cpus: cpus ?? content.cpus,
    memory: memory ?? content.memory,
    entrypoint: isOwn ? entrypoint : content.entrypoint,
    // Arguments of another entrypoint are none of this one.
    cmd: cmd ?? (isOwn ? [] : content.cmd),
    oci_platform: oci_platform ?? content.oci_platform,
  };
  const layer = smolfileSettings({ ...file, content: packed }, environment);
  return { ...layer, volumes: undefined, ports: undefined, sshAgent: undefined, sshAgentKeys: undefined };
}

/** An empty list says nothing: it is what upstream's keys are by default. */
function someOf(list: readonly string[] | undefined): readonly string[] | undefined {
  return list === undefined || list.length === 0 ? undefined : list;
}

/** An entrypoint of one empty word is none, as in docker. */
function entrypointOf(list: readonly string[] | undefined): readonly string[] | undefined {
  return list?.length === 1 && list[0] === "" ? [] : someOf(list);
}

function secretsOf(secrets: SmolfileContent["secrets"]): SpecLayer["secrets"] {
  if (secrets === undefined) return undefined;
  return Object.entries(secrets).map(([name, { from_env, from_file }]) =>
    // It has exactly one of them (rules.ts).
    from_file === undefined
      ? { name, from: "env", source: from_env as string }
      : { name, from: "file", source: from_file },
  );
}

function imageFrom(directory: string, image: string | undefined): string | undefined {
  const isRelative = image !== undefined && isLocalImage(image) && !image.startsWith("/");
  return isRelative ? join(directory, image) : image;
}

/** A path is from the directory of the file. */
function volumeFrom(directory: string, text: string): Volume {
  const volume = parseVolume(text);
  // The schema has made sure that it is one.
  if ("wrong" in volume) throw new Error(volume.wrong);
  return volume.kind === "volume" ? volume : { ...volume, source: resolve(directory, volume.source) };
}

/** `NAME=value` as it is; `NAME` with the host's value, if it has one. */
function resolved(entry: string, environment: Environment): string[] {
  if (entry.includes("=")) return [entry];
  const value = environment[entry];
  return value === undefined ? [] : [`${entry}=${value}`];
}

function sized(value: number | string | undefined, unit: SizeUnit): number | undefined {
  return value === undefined ? undefined : sizeIn(value, unit);
}

/** Whole milliseconds; as many as a timer can hold. */
function milliseconds(value: number | string | undefined): number | undefined {
  const given = value === undefined ? undefined : spanMs(value);
  return given === undefined ? undefined : Math.min(Math.round(given), MAX_SPAN_MS);
}

function restartOf(restart: SmolfileContent["restart"]): SpecLayer["restart"] {
  if (restart === undefined) return undefined;
  return {
    policy: restart.policy === undefined ? undefined : parsePolicy(restart.policy),
    maxRetries: restart.max_retries,
    maxBackoffMs: milliseconds(restart.max_backoff),
  };
}

/** A list beside `net = true` that is there and empty is a list: nothing is let through. */
function networkOf({ net, network }: SmolfileContent): SpecLayer["network"] {
  const { allow_hosts: hosts, allow_cidrs: cidrs } = network ?? {};
  if (hosts === undefined && cidrs === undefined) return net ? { egress: "all" } : undefined;
  if (!net && (hosts ?? []).length + (cidrs ?? []).length === 0) return undefined;
  return {
    egress: "list",
    allowHosts: hosts?.map((host) => parseHostRule(host).text),
    allowRanges: cidrs?.map((range) => parseRangeRule(range).text),
  };
}

function portsOf(ports: readonly string[] | undefined): SpecLayer["ports"] {
  return ports?.flatMap((port) => parsePorts(port) ?? []);
}

function healthOf(health: SmolfileContent["health"]): SpecLayer["health"] {
  if (health === undefined) return undefined;
  return {
    command: someOf(health.exec),
    intervalMs: milliseconds(health.interval),
    timeoutMs: milliseconds(health.timeout),
    retries: health.retries,
    startupGraceMs: milliseconds(health.startup_grace),
  };
}
