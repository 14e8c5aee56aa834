/** Containers of a machine: other images that run beside the machine's own. */
import type { Context } from "../../context.ts";
import type { ExecRequest } from "../../protocol/index.ts";
import type { CopyEvent, CreateParams, RemoveParams, StopParams } from "../host/containers/serve.ts";
import { bindOf, type ContainerRecord, type ContainerVolume, endedWithMachine } from "../model/index.ts";
import { argumentsOf, type ImageOptions, resolveImage } from "../plan/index.ts";
import { isRunning, readContainers, readState, requireRecord } from "../store/index.ts";
import type { Machine } from "./connect.ts";
import { toSmolError } from "./failure.ts";
import { Process } from "./process.ts";

export type { ContainerRecord, ContainerVolume };

export interface CreateContainerOptions extends Omit<ImageOptions, "checkConfig"> {
  /** Replaces the image's CMD; empty: the container runs `sleep infinity`, without the image's ENTRYPOINT. */
  readonly cmd?: readonly string[] | undefined;
  /** `NAME=value`, over the image's. */
  readonly env?: readonly string[] | undefined;
  /** Absolute; absent: the image's. */
  readonly workdir?: string | undefined;
  readonly volumes?: readonly ContainerVolume[] | undefined;
  /** Told how many bytes of the image are in the machine; never for one that was there. */
  readonly onCopy?: ((done: number, total: number) => void) | undefined;
}

/**
 * Makes a container in a running machine; it does not run yet. Its image is fetched to this host's cache, and from there
 * into the machine, where it is not yet.
 *
 * @throws SmolError `container.*`, `image.*`, `machine.*`; the signal's reason
 */
export async function createContainer(
  context: Context,
  machine: Machine,
  reference: string,
  options: CreateContainerOptions = {},
): Promise<ContainerRecord> {
  const { cmd = [], env = [], workdir, volumes = [], onCopy, signal, ...imageOptions } = options;
  // Before anything is downloaded.
  volumes.forEach(bindOf);
  const image = await resolveImage(context, reference, {
    ...imageOptions,
    signal,
    checkConfig: (config) => {
      if (cmd.length > 0) argumentsOf({ entrypoint: null, cmd: [...cmd] }, config);
    },
  });
  try {
    const { id, ...facts } = image.facts;
    if (id === null) throw new Error("an image has an id");
    const params: CreateParams = {
      ...{ reference, env: [...env], cmd: [...cmd], workdir: workdir ?? null },
      image: {
        ...{ id, workdir: facts.workdir, user: facts.user, stopSignal: facts.stopSignal },
        entrypoint: [...facts.entrypoint],
        cmd: [...facts.cmd],
        env: [...facts.env],
        volumes: [...facts.volumes],
      },
      volumes: [...volumes],
    };
    const stream = machine.open({ method: "containerCreate", params });
    stream.onEvent = (message) => {
      const { type, done, total } = message as CopyEvent;
      if (type === "copying") onCopy?.(done, total);
    };
    const cancel = () => stream.cancel();
    signal?.addEventListener("abort", cancel, { once: true });
    if (signal?.aborted) cancel();
    try {
      return (await stream.result) as ContainerRecord;
    } catch (error) {
      signal?.throwIfAborted();
      throw toSmolError(error);
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  } finally {
    image.release();
  }
}

/**
 * Starts a container, and waits until its command runs; one that runs is left alone.
 *
 * @param id of the container, or the start of one
 * @throws SmolError `container.*`, `exec.*`
 */
export async function startContainer(machine: Machine, id: string): Promise<ContainerRecord> {
  return (await machine.ask("containerStart", { id })) as ContainerRecord;
}

/**
 * Asks a container to end, and ends it when it has not after a time; one that does not run is left alone.
 *
 * @param timeoutMs default: ten seconds
 * @throws SmolError `container.*`
 */
export async function stopContainer(
  machine: Machine,
  id: string,
  timeoutMs?: number,
): Promise<ContainerRecord> {
  return (await machine.ask("containerStop", { id, timeoutMs } satisfies StopParams)) as ContainerRecord;
}

/**
 * Removes a container with its files.
 *
 * @param force also when it runs
 * @returns what it was
 * @throws SmolError `container.*`
 */
export async function removeContainer(machine: Machine, id: string, force = false): Promise<ContainerRecord> {
  return (await machine.ask("containerRemove", { id, force } satisfies RemoveParams)) as ContainerRecord;
}

/** Starts one more process in a running container; it is killed when this side goes away before its end. */
export function execInContainer(machine: Machine, id: string, request: ExecRequest): Process {
  return new Process(machine.open({ method: "containerExec", params: { ...request, id } }));
}

/**
 * The containers of a machine, the oldest first; the machine need not run. Looking changes nothing.
 *
 * @throws SmolError `machine.not_found`, `machine.newer`, `machine.damaged`
 */
export function listContainers({ paths }: Context, machine: string): readonly ContainerRecord[] {
  requireRecord(paths, machine);
  const records = readContainers(paths, machine);
  if (isRunning(paths, machine)) return records;
  const endedAt = readState(paths, machine)?.endedAt ?? Date.now();
  return records.map((record) => endedWithMachine(record, endedAt));
}
