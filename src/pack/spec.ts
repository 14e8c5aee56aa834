import { isLocalImage } from "../image/source-kind.ts";
import type { MachineSpec, SpecLayer } from "../machine/model/index.ts";
import type { Manifest, PackedNetwork } from "./manifest.ts";

/** The affairs of the host that a machine runs on, which nobody who hands over a program decides about. */
export const hostsOwn = {
  engine: undefined,
  ports: undefined,
  secrets: undefined,
  sshAgent: undefined,
  sshAgentKeys: undefined,
  mountSockets: undefined,
  exposeSockets: undefined,
  volumes: undefined,
  tmpfs: undefined,
  ttlMs: undefined,
  idleTimeoutMs: undefined,
  onTimeout: undefined,
} as const satisfies Partial<SpecLayer>;

/** What a pack says about the machine that it is; what runs in it is its image's configuration. */
export function packedSettings(manifest: Manifest): SpecLayer {
  const { restart, health, network } = manifest;
  return {
    image: imageName(manifest),
    cpus: manifest.cpus ?? undefined,
    memoryMib: manifest.mem ?? undefined,
    storageGib: manifest.storage ?? undefined,
    overlayGib: manifest.overlay ?? undefined,
    init: manifest.init,
    initOnce: manifest.init_once,
    reaper: manifest.reaper ?? undefined,
    pids: manifest.pids ?? undefined,
    stopTimeoutMs: manifest.stop_timeout_ms ?? undefined,
    restart:
      restart === null
        ? undefined
        : {
            policy: restart.policy,
            maxRetries: restart.max_retries,
            maxBackoffMs: restart.max_backoff_ms,
          },
    health:
      health === null
        ? undefined
        : {
            command: health.command,
            intervalMs: health.interval_ms,
            timeoutMs: health.timeout_ms,
            retries: health.retries,
            startupGraceMs: health.startup_grace_ms,
          },
    network: network === null ? undefined : networkOf(network),
    // Of the image.
    entrypoint: undefined,
    cmd: undefined,
    env: undefined,
    workdir: undefined,
    user: undefined,
    stopSignal: undefined,
    labels: undefined,
    platform: undefined,
    mitigations: undefined,
    gpu: undefined,
    gpuVramMib: undefined,
    rlimits: undefined,
    diskBps: undefined,
    ...hostsOwn,
  };
}

/** What a machine's record calls the image of a pack that has no name of a registry. */
export const UNNAMED = "packed";

/** A name to show. Never one that could be taken for a file of this host, or for standard input. */
function imageName({ image }: Manifest): string {
  const isReference = image !== null && /^[a-z0-9][\w.:/@-]{0,511}$/i.test(image) && !isLocalImage(image);
  return isReference ? image : UNNAMED;
}

function networkOf(network: PackedNetwork): Exclude<SpecLayer["network"], null | undefined> {
  return {
    egress: network.egress,
    allowHosts: network.allow_hosts,
    allowRanges: network.allow_cidrs,
    allowPresets: network.allow_presets,
    packedRules: [...network.allow_hosts, ...network.allow_cidrs],
    // The loopback of who runs it is not part of what it was packed with.
    hostLoopback: undefined,
    checkServerName: network.check_server_name,
    dns: network.dns.length === 0 ? undefined : network.dns,
    addHosts: network.add_hosts,
    // Who is next to it is for who runs it.
    join: undefined,
    proxyEnv: undefined,
  };
}

/** The keys of a manifest that say what the machine is. */
type SettingKeys = Pick<
  Manifest,
  | ("cpus" | "mem" | "storage" | "overlay" | "network" | "init" | "init_once")
  | ("reaper" | "pids" | "stop_timeout_ms" | "restart" | "health")
>;

/**
 * The other way round: what a manifest says about a machine of this description.
 *
 * @param said whether somebody said it, rather than left it at a default of this host
 */
export function settingsToManifest(
  spec: MachineSpec,
  said: (field: keyof SpecLayer) => boolean,
): SettingKeys {
  const { restart, health, network } = spec;
  return {
    cpus: said("cpus") ? spec.cpus : null,
    mem: said("memoryMib") ? spec.memoryMib : null,
    storage: said("storageGib") ? spec.storageGib : null,
    overlay: said("overlayGib") ? spec.overlayGib : null,
    network:
      network === null
        ? null
        : {
            egress: network.egress,
            allow_hosts: network.allowHosts,
            allow_cidrs: network.allowRanges,
            allow_presets: network.allowPresets,
            check_server_name: network.checkServerName,
            dns: network.dns,
            add_hosts: network.addHosts,
          },
    init: spec.init,
    init_once: spec.initOnce,
    reaper: said("reaper") ? spec.reaper : null,
    pids: spec.pids,
    stop_timeout_ms: said("stopTimeoutMs") ? spec.stopTimeoutMs : null,
    restart: said("restart")
      ? {
          policy: restart.policy,
          max_retries: restart.maxRetries,
          max_backoff_ms: restart.maxBackoffMs,
        }
      : null,
    health:
      health === null
        ? null
        : {
            command: health.command,
            interval_ms: health.intervalMs,
            timeout_ms: health.timeoutMs,
            retries: health.retries,
            startup_grace_ms: health.startupGraceMs,
          },
  };
}
