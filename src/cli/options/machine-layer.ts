import type { SpecLayer } from "../../machine/model/index.ts";
import type { Label } from "../values/label.ts";
import type { Platform } from "../values/platform.ts";
import { environmentOf } from "./environment.ts";
import { lentLayer, secretsOf } from "./lent.ts";
import type { MachineValues } from "./machine-options.ts";
import { networkLayer } from "./network-layer.ts";

/**
 * What the options of a command say about a machine. A field of machines that no option sets is named here, and so is
 * each option: one that is forgotten does not compile.
 *
 * @throws SmolError `cli.env_file`, `cli.conflict`
 */
export async function machineLayer(values: MachineValues): Promise<SpecLayer> {
  const { engine, cpus, memory, storage, overlay, mitigations, gpu, gpuVram, pids, diskBps, ...more } =
    values;
  const { image, platform, entrypoint, env, envFile, workdir, user, ulimits, reaper, ...most } = more;
  const { init, initOnce, labels, restart, restartBackoff, ttl, idleTimeout, onTimeout, ...rest } = most;
  const { stopSignal, stopTimeout, healthCommand, healthInterval, healthTimeout, ...last } = rest;
  const { healthRetries, healthGrace, secretEnv, secretFile, ...given } = last;
  const { sshAgent, sshAgentKeys, mountSockets, exposeSockets, volumes, mounts, tmpfs, ...network } = given;
  return {
    // Each option that is left is one of these, or it does not compile.
    ...networkLayer(network),
    engine,
    cpus,
    memoryMib: memory,
    storageGib: storage,
    overlayGib: overlay,
    mitigations,
    gpu,
    gpuVramMib: gpuVram,
    pids,
    diskBps,
    image,
    platform: platform && formatPlatform(platform),
    // '' removes it.
    entrypoint: entrypoint === undefined ? undefined : entrypoint === "" ? [] : [entrypoint],
    // Not an option, but the words behind them.
    cmd: undefined,
    env: said(await environmentOf({ env, envFile })),
    workdir,
    user,
    rlimits: said(ulimits),
    reaper,
    init: said(init),
    initOnce: said(initOnce),
    labels: labels.length === 0 ? undefined : formatLabels(labels),
    restart: {
      policy: restart?.policy,
      // A policy that is named without a number has no limit.
      maxRetries: restart && (restart.maxRetries ?? 0),
      maxBackoffMs: restartBackoff,
    },
    health:
      healthCommand === null
        ? null
        : {
            command: healthCommand === undefined ? undefined : ["/bin/sh", "-c", healthCommand],
            intervalMs: healthInterval,
            timeoutMs: healthTimeout,
            retries: healthRetries,
            startupGraceMs: healthGrace,
          },
    ttlMs: ttl,
    idleTimeoutMs: idleTimeout,
    onTimeout,
    stopSignal,
    stopTimeoutMs: stopTimeout,
    secrets: said(secretsOf({ secretEnv, secretFile })),
    ...lentLayer({ sshAgent, sshAgentKeys, mountSockets, exposeSockets }),
    volumes: said([...volumes, ...mounts.flatMap((mount) => ("volume" in mount ? [mount.volume] : []))]),
    tmpfs: said([...tmpfs, ...mounts.flatMap((mount) => ("tmpfs" in mount ? [mount.tmpfs] : []))]),
  };
}

/** A list that nobody began is not an empty one. */
function said<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length === 0 ? undefined : list;
}

function formatPlatform({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant === undefined ? [] : [variant])].join("/");
}

function formatLabels(labels: readonly Label[]): Record<string, string> {
  return Object.fromEntries(labels.map(({ name, value }) => [name, value]));
}
