import { defaultHealth } from "./defaults.ts";
import { mergeEnvironment } from "./environment.ts";
import { joinBy } from "./lent.ts";
import { type DraftNetwork, joinNetwork, joinPorts, type SaidNetwork } from "./network.ts";
import type { HealthSpec, MachineSpec, RestartSpec } from "./spec.ts";

/** What sources say about a machine: all but its name, how long it lives, and what its image turns out to be. */
export type Settings = Omit<MachineSpec, "name" | "ephemeral" | "imageId">;

type Field = keyof Settings;

/** Some keys of a table; a key that is undefined is not said. */
type Some<T> = { readonly [K in keyof T]?: T[K] | undefined };

/** Sources give their lists away to be read. */
type ReadOnly<T> = T extends readonly (infer E)[] ? readonly E[] : T;

/** A description that is complete and has not been checked. */
export type Unchecked = {
  readonly [K in keyof MachineSpec]: K extends "network" ? DraftNetwork | null : ReadOnly<MachineSpec[K]>;
};

/** Tables of which sources may say a part; all others are said as a whole. */
interface Partly {
  readonly restart: Some<RestartSpec>;
  /** Null takes the check of weaker sources away. */
  readonly health: Some<{ readonly [K in keyof HealthSpec]: ReadOnly<HealthSpec[K]> }> | null;
  /** Null takes the network of weaker sources away. */
  readonly network: SaidNetwork | null;
}

type Said<K extends Field> = K extends keyof Partly ? Partly[K] : ReadOnly<Settings[K]>;

/**
 * What one source says: the flags of a command, a Smolfile, a pack, a request. Undefined says nothing, and each field
 * has to be named: one that is added to what a machine is does not compile before every source has said what it does
 * about it.
 */
export type SpecLayer = { readonly [K in Field]: Said<K> | undefined };

/** A description while sources are still being heard: a check may have everything but its command. */
type Draft = {
  readonly [K in Field]: K extends "health"
    ? Partly["health"]
    : K extends "network"
      ? DraftNetwork | null
      : Unchecked[K];
};

type Rule<K extends Field> = (below: Draft[K], said: Exclude<SpecLayer[K], undefined>) => Draft[K];

const replace = <T>(_: T, said: T): T => said;
const append = (below: readonly string[], said: readonly string[]) => [...below, ...said];
/** An empty text is the image's own, as in docker. */
const replaceByText = (_: string | null, said: string | null) => (said === "" ? null : said);

/** How what a stronger source says meets what weaker ones have said. */
const rules: { readonly [K in Field]: Rule<K> } = {
  engine: replace,
  cpus: replace,
  memoryMib: replace,
  storageGib: replace,
  overlayGib: replace,
  mitigations: replace,
  gpu: replace,
  gpuVramMib: replace,
  image: replace,
  platform: replace,
  entrypoint: replace,
  cmd: replace,
  env: mergeEnvironment,
  workdir: replaceByText,
  user: replaceByText,
  rlimits: (below, said) => [
    ...below.filter(({ name }) => !said.some((limit) => limit.name === name)),
    ...said,
  ],
  reaper: replace,
  init: append,
  initOnce: append,
  labels: (below, said) => ({ ...below, ...said }),
  restart: (below, said) => ({ ...below, ...whatIsSaid(said) }),
  health: (below, said) => (said === null ? null : { ...below, ...whatIsSaid(said) }),
  ttlMs: replace,
  idleTimeoutMs: replace,
  onTimeout: replace,
  stopSignal: replace,
  stopTimeoutMs: replace,
  pids: replace,
  diskBps: replace,
  network: (below, said) => (said === null ? null : joinNetwork(below, said)),
  ports: joinPorts,
  secrets: joinBy(({ name }) => name),
  sshAgent: replace,
  sshAgentKeys: replace,
  mountSockets: joinBy(({ guest }) => guest),
  exposeSockets: joinBy(({ guest }) => guest),
  volumes: (below, said) => [...below, ...said],
  tmpfs: (below, said) => [...below, ...said],
};

/** Without the keys that are undefined. */
function whatIsSaid<T extends object>(said: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const keys = Object.entries(said).filter(([, value]) => value !== undefined);
  return Object.fromEntries(keys) as { [K in keyof T]: Exclude<T[K], undefined> };
}

/**
 * Hears sources, the weakest first.
 *
 * A source that names an entrypoint means its own command line: words for an entrypoint below it are dropped, as
 * docker's `--entrypoint` drops the image's CMD.
 */
export function mergeLayers(defaults: Settings, layers: readonly SpecLayer[]): Pick<Unchecked, Field> {
  const draft: { -readonly [K in Field]: Draft[K] } = { ...defaults };
  for (const layer of layers) {
    const hear = <K extends Field>(field: K) => {
      draft[field] = rules[field](draft[field], layer[field] as Exclude<SpecLayer[K], undefined>);
    };
    if (layer.entrypoint !== undefined) draft.cmd = [];
    for (const field of Object.keys(rules) as Field[]) {
      if (layer[field] !== undefined) hear(field);
    }
  }
  return { ...draft, health: completeHealth(draft.health) };
}

/** A check without a command is none. */
function completeHealth(said: Partly["health"]): HealthSpec | null {
  const { command = [], ...rest } = said ?? {};
  return command.length === 0 ? null : { ...defaultHealth, ...whatIsSaid(rest), command: [...command] };
}
