/** From a request to a layer of a machine's description. */
import type { SpecLayer } from "../../machine/model/index.ts";
import { BadRule, parseHostRule, parseRangeRule } from "../../net/policy/index.ts";
import { isVolumeName } from "../../values/mount.ts";
import { Refused } from "../errors.ts";
import { environmentOf, milliseconds } from "../schema/fields.ts";
import type { Changeable, CreateBody, MountBody, PortBody } from "../schema/machine-request.ts";
import { allowedPath } from "./host-paths.ts";

/** What `create` and `update` have, each in its part. */
type Said = Changeable & Partial<Omit<CreateBody, keyof Changeable>>;

/**
 * What a request says about a machine. A field of machines that no request can set is named here.
 *
 * @param roots see ServeOptions
 * @throws Refused `BAD_REQUEST`, `FORBIDDEN`
 */
export function layerOf(body: Said, roots: readonly string[]): SpecLayer {
  return {
    engine: undefined,
    cpus: body.cpus,
    memoryMib: body.memoryMb,
    storageGib: body.storageGb,
    overlayGib: body.overlayGb,
    mitigations: body.mitigations,
    gpu: body.gpu,
    gpuVramMib: body.gpuVramMb,
    image: body.image,
    platform: undefined,
    entrypoint: body.entrypoint,
    cmd: body.cmd,
    env: environmentOf(body.env),
    workdir: body.workdir,
    user: body.user,
    rlimits: undefined,
    reaper: body.reaper,
    init: body.init,
    initOnce: body.initOnce,
    labels: body.labels,
    restart: body.restart && {
      policy: body.restart.policy,
      maxRetries: body.restart.maxRetries,
      maxBackoffMs: milliseconds(body.restart.maxBackoffSecs),
    },
    health: healthOf(body.health),
    ttlMs: spanOf(body.ttlSecs),
    idleTimeoutMs: spanOf(body.idleTimeoutSecs),
    onTimeout: body.onTimeout,
    stopSignal: body.stopSignal,
    stopTimeoutMs: milliseconds(body.stopTimeoutSecs),
    pids: body.pidsLimit,
    diskBps: body.diskBps,
    network: networkOf(body),
    ports: body.ports?.map(portOf),
    // What the server's user has is not a client's to lend.
    ...{ secrets: undefined, sshAgent: undefined, sshAgentKeys: undefined },
    ...{ mountSockets: undefined, exposeSockets: undefined },
    volumes: body.mounts?.map((mount) => volumeOf(mount, roots)),
    tmpfs: body.tmpfs?.map(({ target, sizeBytes = null }) => ({
      target,
      sizeBytes,
      mode: 0o1777,
      exec: false,
    })),
  };
}

const spanOf = (given: number | null | undefined): number | null | undefined =>
  given === null ? null : milliseconds(given);

/** A check whose command is an empty list is none. */
function healthOf(health: Changeable["health"]): SpecLayer["health"] {
  if (health === undefined) return undefined;
  if (health.command?.length === 0) return null;
  return {
    command: health.command,
    intervalMs: milliseconds(health.intervalSecs),
    timeoutMs: milliseconds(health.timeoutSecs),
    retries: health.retries,
    startupGraceMs: milliseconds(health.startupGraceSecs),
  };
}

/** A list that is there and empty lets nothing through; one that is null is no list. */
function networkOf(body: Said): SpecLayer["network"] {
  const { network, allowedHosts, allowedCidrs, allowedPresets, hostLoopback, dns, addHosts, namedNetwork } =
    body;
  const lists = [allowedHosts, allowedCidrs, allowedPresets].filter(
    (list) => list !== undefined && list !== null,
  );
  const isListed = lists.length > 0;
  const isSaid =
    isListed ||
    hostLoopback === true ||
    dns !== undefined ||
    addHosts !== undefined ||
    (namedNetwork !== undefined && namedNetwork !== null);
  if (body.networkBackend === "tsi" && (isListed || (body.ports ?? []).length > 0))
    throw new Refused(
      "BAD_REQUEST",
      "networkBackend tsi cannot enforce a list or publish a port: use virtio-net",
    );
  if (network === null || network === false) {
    if (lists.flat().length > 0 || hostLoopback === true)
      throw new Refused(
        "BAD_REQUEST",
        "network: false takes away what the lists would allow: give one of them",
      );
    return network === null || !isSaid ? null : undefined;
  }
  if (network === undefined && !isSaid) return undefined;
  return {
    egress: isListed ? "list" : network || dns !== undefined ? "all" : undefined,
    allowHosts: rulesOf("allowedHosts", allowedHosts, parseHostRule),
    allowRanges: rulesOf("allowedCidrs", allowedCidrs, parseRangeRule),
    allowPresets: allowedPresets,
    hostLoopback,
    dns,
    addHosts,
    join: namedNetwork,
  };
}

/** Rules as they are written everywhere. @throws Refused `BAD_REQUEST` */
export function rulesOf(
  where: string,
  list: readonly string[] | null | undefined,
  parse: (text: string) => { readonly text: string },
): readonly string[] | undefined {
  return list?.map((text) => {
    try {
      return parse(text).text;
    } catch (error) {
      if (error instanceof BadRule)
        throw new Refused("BAD_REQUEST", `${where}: ${JSON.stringify(text)} is invalid: ${error.message}`);
      throw error;
    }
  });
}

export const portOf = ({ host, guest, address = "127.0.0.1", protocol = "tcp" }: PortBody) => ({
  ...{ address, host, guest, protocol },
});

function volumeOf(
  { source, target, readonly = false, overlay = false }: MountBody,
  roots: readonly string[],
) {
  if (readonly && overlay) throw new Refused("BAD_REQUEST", "a mount is either readonly or overlay");
  const isPath = !isVolumeName(source);
  if (overlay && !isPath) throw new Refused("BAD_REQUEST", "only a folder of the host can be an overlay");
  return {
    kind: isPath ? (overlay ? ("overlay" as const) : ("bind" as const)) : ("volume" as const),
    source: isPath ? allowedPath(source, roots) : source,
    target,
    readOnly: readonly,
  };
}
