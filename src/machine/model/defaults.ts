import type { MachineSpec } from "./spec.ts";

/** More virtual processors than the host has only cost time, most of all under emulation. */
const MOST_CPUS = 4;

const SECOND = 1000;

/** A machine about which nothing was said but its name. */
export function defaultSpec(name: string): MachineSpec {
  return {
    name,
    ephemeral: false,
    engine: null,
    cpus: Math.min(MOST_CPUS, navigator.hardwareConcurrency),
    memoryMib: 8192,
    storageGib: 20,
    overlayGib: 10,
    mitigations: false,
    gpu: false,
    gpuVramMib: 4096,
    image: null,
    imageId: null,
    platform: null,
    entrypoint: null,
    cmd: [],
    env: [],
    workdir: null,
    user: null,
    rlimits: [],
    reaper: false,
    init: [],
    initOnce: [],
    labels: {},
    restart: { policy: "never", maxRetries: 0, maxBackoffMs: 300 * SECOND },
    health: null,
    ttlMs: null,
    idleTimeoutMs: null,
    onTimeout: "stop",
    stopSignal: null,
    stopTimeoutMs: 10 * SECOND,
    pids: null,
    diskBps: null,
    network: null,
    ports: [],
    secrets: [],
    sshAgent: false,
    sshAgentKeys: [],
    mountSockets: [],
    exposeSockets: [],
    volumes: [],
    tmpfs: [],
  };
}

/** What a health check has when only its command was given. */
export const defaultHealth = {
  intervalMs: 5 * SECOND,
  timeoutMs: 5 * SECOND,
  retries: 3,
  startupGraceMs: 0,
} as const;
