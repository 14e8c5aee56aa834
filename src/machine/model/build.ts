import { SmolError } from "../../errors.ts";
import { oneLine } from "../../values/index.ts";
import { checkedSpec } from "./checked.ts";
import { defaultSpec } from "./defaults.ts";
import { mergeLayers, type SpecLayer } from "./layers.ts";
import { checkMachineName } from "./name.ts";
import { formatPort } from "./network.ts";
import type { MachineSpec, NetworkSpec, PortSpec } from "./spec.ts";

/** From which a machine's description is made. */
export interface SpecSources {
  readonly name: string;
  readonly ephemeral: boolean;
  /** Smolfiles, packs: the weakest first. */
  readonly layers: readonly SpecLayer[];
  /** What the user says here and now. It wins, also where it says what is the default anyway. */
  readonly flags: SpecLayer;
  /** The words behind the flags. */
  readonly words: readonly string[];
  /**
   * What the words are to an entrypoint that a layer names: its arguments (`create`), or a command in its place
   * (`run`). One that the flags name, and an image's own, always keep them as arguments, as in docker.
   */
  readonly wordsAre: "arguments" | "command";
}

/**
 * The one builder of descriptions: defaults, then what each source says about them, checked.
 *
 * @throws SmolError `machine.bad_name`, `machine.bad_setting`
 */
export function buildSpec(sources: SpecSources): MachineSpec {
  const { name: given, ephemeral, layers } = sources;
  const name = checkMachineName(given);
  const settings = mergeLayers(defaultSpec(name), [...layers, withWords(sources)]);
  return checkedSpec({ ...settings, name, ephemeral, imageId: null });
}

function withWords({ layers, flags, words, wordsAre }: SpecSources): SpecLayer {
  if (words.length === 0) return flags;
  const named = layers.some(({ entrypoint }) => entrypoint !== undefined && entrypoint !== null);
  const entrypoint = flags.entrypoint ?? (wordsAre === "command" && named ? [] : undefined);
  return { ...flags, entrypoint, cmd: words };
}

/** What is taken away from a description, by name. */
export interface Removals {
  readonly env?: readonly string[] | undefined;
  readonly labels?: readonly string[] | undefined;
  /** Commands as they were given. */
  readonly init?: readonly string[] | undefined;
  readonly ports?: readonly PortSpec[] | undefined;
  readonly allowHosts?: readonly string[] | undefined;
  readonly allowRanges?: readonly string[] | undefined;
  readonly allowPresets?: readonly string[] | undefined;
  readonly addHosts?: readonly string[] | undefined;
  readonly secrets?: readonly string[] | undefined;
  /** Paths in the guest, of sockets in either direction. */
  readonly sockets?: readonly string[] | undefined;
  /** Volumes and filesystems in memory, by their paths in the guest. */
  readonly mounts?: readonly string[] | undefined;
}

/**
 * A description with some settings changed, checked. What is taken away is so before anything is added.
 *
 * @throws SmolError `machine.bad_setting`
 */
export function changeSpec(present: MachineSpec, changes: SpecLayer, removals: Removals = {}): MachineSpec {
  const { name, ephemeral, imageId, ...settings } = present;
  const { env: gone = [], labels: goneLabels = [], mounts: goneMounts = [] } = removals;
  const { secrets = [], sockets = [] } = removals;
  const missing = goneMounts.find(
    (path) => ![...settings.volumes, ...settings.tmpfs].some(({ target }) => target === path),
  );
  if (missing !== undefined) throw noMount(name, missing);
  const staysMounted = ({ target }: { readonly target: string }) => !goneMounts.includes(target);
  const staysLent = ({ guest }: { readonly guest: string }) => !sockets.includes(guest);
  const kept = {
    ...settings,
    env: settings.env.filter((entry) => !gone.includes(entry.split("=", 1)[0] as string)),
    volumes: settings.volumes.filter(staysMounted),
    tmpfs: settings.tmpfs.filter(staysMounted),
    labels: Object.fromEntries(Object.entries(settings.labels).filter(([key]) => !goneLabels.includes(key))),
    init: settings.init.filter((command) => !(removals.init ?? []).includes(command)),
    network: settings.network && lessNetwork(settings.network, removals),
    ports: settings.ports.filter((port) => !(removals.ports ?? []).some((gone) => isMeant(gone, port))),
    secrets: settings.secrets.filter(({ name }) => !secrets.includes(name)),
    mountSockets: settings.mountSockets.filter(staysLent),
    exposeSockets: settings.exposeSockets.filter(staysLent),
  };
  return checkedSpec({ ...mergeLayers(kept, [changes]), name, ephemeral, imageId });
}

/** A list from which everything is taken stays one: it lets nothing through. */
function lessNetwork(network: NetworkSpec, removals: Removals): NetworkSpec {
  const less = (list: string[], gone: readonly string[] = []) =>
    list.filter((entry) => !gone.includes(entry));
  return {
    ...network,
    allowHosts: less(network.allowHosts, removals.allowHosts),
    allowRanges: less(network.allowRanges, removals.allowRanges),
    allowPresets: less(network.allowPresets, removals.allowPresets),
    addHosts: less(network.addHosts, removals.addHosts),
  };
}

/** Who takes a port away need not say again on which address it is. */
function isMeant(gone: PortSpec, port: PortSpec): boolean {
  return formatPort({ ...gone, address: port.address }) === formatPort(port);
}
const noMount = (name: string, path: string): SmolError =>
  new SmolError("machine.no_mount", `machine '${name}' has nothing mounted at ${oneLine(path)}`, {
    hint: `smolvm machine inspect ${name} shows what it has`,
  });
