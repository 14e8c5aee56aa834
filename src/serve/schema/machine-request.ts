/**
 * What clients may say about a machine. Limits are those of the description of machines (src/machine/model/), which
 * checks what comes out of it once more; names are those that clients of upstream's API know.
 */
import {
  array,
  boolean,
  description,
  type InferOutput,
  literal,
  maxLength,
  nullable,
  omit,
  optional,
  picklist,
  pipe,
  record,
  strictObject,
  string,
} from "valibot";
// Not the folder's face, which loads the engines.
import { MAX_PORTS } from "../../machine/model/network-schema.ts";
import { MAX_MOUNTS, restartPolicies, specSchema } from "../../machine/model/spec.ts";
import {
  count,
  field,
  guestPath,
  imageName,
  machineName,
  seconds,
  variableNames,
  variables,
  word,
  words,
} from "./fields.ts";
import { AUTH_ABOUT, registryAuth } from "./registry-auth.ts";

const { entries: model } = specSchema;

const port = strictObject({
  host: pipe(count(0, 65_535), description("Of the host; 0: any that is free, at each start.")),
  guest: count(1, 65_535),
  address: field(string(), "Of the host. Default: 127.0.0.1."),
  protocol: field(picklist(["tcp", "udp"]), "Default: tcp."),
});

const mount = strictObject({
  source: pipe(
    word,
    description("A path of the server's host, below one of its --allow-mount; or the name of a volume."),
  ),
  target: guestPath,
  readonly: field(boolean(), "Default: false."),
  overlay: field(boolean(), "The guest's changes are kept apart: a workspace. Default: false."),
});

const tmpfs = strictObject({
  target: guestPath,
  sizeBytes: field(count(4096, Number.MAX_SAFE_INTEGER), "Default: half of the memory."),
});

const restart = strictObject({
  policy: field(picklist(restartPolicies), "When what has ended is started again. Default: never."),
  maxRetries: field(count(0, 2 ** 32 - 1), "In a row; 0: no limit."),
  maxBackoffSecs: field(seconds(1), "The longest pause before a restart. Default: 300."),
});

const health = strictObject({
  command: field(words, "Program and arguments; exit code 0 is healthy. An empty list takes the check away."),
  intervalSecs: field(seconds(0.1), "Default: 5."),
  timeoutSecs: field(seconds(0.1), "Default: 5."),
  retries: field(count(1, 2 ** 32 - 1), "Failures in a row that make it unhealthy. Default: 3."),
  startupGraceSecs: field(seconds(0), "Failures in this time after a start do not count. Default: 0."),
});

/** What can be said at first and changed later. */
const changeable = {
  cpus: field(model.cpus, "Virtual CPUs. Default: 4, or the host's if fewer."),
  memoryMb: field(model.memoryMib, "MiB of memory, taken as it is used. Default: 8192."),
  storageGb: field(model.storageGib, "GiB of the disk at /storage. Default: 20."),
  overlayGb: field(model.overlayGib, "GiB for changes to the image's files. Default: 10."),
  mounts: field(pipe(array(mount), maxLength(MAX_MOUNTS)), "Folders of the host, and volumes."),
  tmpfs: field(pipe(array(tmpfs), maxLength(MAX_MOUNTS)), "Filesystems in the machine's memory."),
  ports: field(pipe(array(port), maxLength(MAX_PORTS)), "Ports of the host that lead into the machine."),
  network: field(boolean(), "The machine reaches the network. Default: false."),
  allowedHosts: field(
    nullable(words),
    "Names that it may reach: NAME, *.NAME, each with :PORT. Implies network.",
  ),
  allowedCidrs: field(
    nullable(words),
    "Ranges that it may reach; null: no list; []: nothing. Implies network.",
  ),
  allowedPresets: field(words, "Lists of names that smolvm has. Implies network."),
  hostLoopback: field(boolean(), "The host's loopback answers at the gateway. Default: false."),
  dns: field(words, "Servers for names, ADDRESS[:PORT]. Default: the host's."),
  addHosts: field(words, "Names with addresses of their own, NAME:ADDRESS."),
  namedNetwork: field(nullable(word), "The network that it shares with other machines; null: none."),
  entrypoint: field(words, "Replaces the image's ENTRYPOINT, and drops its CMD."),
  cmd: field(words, "Replaces the image's CMD."),
  env: field(variables, "Variables of the machine's programs."),
  init: field(words, "Shell commands at each start, before the workload."),
  workdir: field(guestPath, "Default: the image's."),
  user: field(word, "USER[:GROUP]. Default: the image's."),
  labels: field(record(word, word), "Names and values that mean something to you."),
  restart: field(restart, "When what has ended by itself is started again."),
  health: field(health, "How it is found out whether the workload is well."),
  ttlSecs: field(nullable(seconds(0.001)), "Seconds from each start after which it ends by itself."),
  idleTimeoutSecs: field(nullable(seconds(0.001)), "Seconds of idleness after which it ends by itself."),
  onTimeout: field(model.onTimeout, "What its end by itself is. Default: stop."),
  stopSignal: field(word, "Asks the workload to end. Default: the image's, else SIGTERM."),
  stopTimeoutSecs: field(seconds(0), "How long the workload may take to end. Default: 10."),
  pidsLimit: field(count(1, 4_194_304), "Most processes at once."),
  diskBps: field(count(1, Number.MAX_SAFE_INTEGER), "Bytes a second that each disk reads or writes."),
  reaper: field(boolean(), "A small init is the workload's parent. Default: false."),
  mitigations: field(boolean(), "Guard programs from each other's CPU leaks. Default: false."),
  gpu: field(boolean(), "The machine has a GPU, of the host's. Default: false."),
  gpuVramMb: field(model.gpuVramMib, "MiB of the host's memory that the GPU may take. Default: 4096."),
};

/** What a server gives nobody, and clients of upstream's API may mention. */
const refused = {
  secrets: field(strictObject({}), "Empty: a request cannot name secrets of the server's host."),
  cuda: field(literal(false), "Not in this product."),
  dockerSocket: field(literal(false), "Not in this release."),
};

export const createSchema = strictObject({
  name: field(machineName, "Default: vm- and eight digits."),
  image: field(
    imageName,
    "Of a registry, where it may be a pack, as with registryRef; or a path of the host, below one of --allow-mount. Default: the built-in one.",
  ),
  from: field(
    word,
    "A pack: a path of the host, below one of --allow-mount. Its files go into the image cache. Not with image.",
  ),
  registryRef: field(
    imageName,
    "A pack in a registry, whose files go into the image cache now. Not with image or from.",
  ),
  registryAuth: field(registryAuth, `${AUTH_ABOUT} With registryRef or image.`),
  registryIdentityToken: field(word, "The same as registryAuth with an identityToken."),
  networkBackend: field(
    picklist(["virtio-net", "tsi"]),
    "There is one, virtio-net; `tsi` with a list is refused.",
  ),
  initOnce: field(words, "Shell commands at the first start only."),
  ifNotExists: field(boolean(), "A machine of that name and the same description is fine."),
  ...changeable,
  ...refused,
});

const removals = strictObject({
  env: optional(variableNames),
  labels: optional(words),
  init: field(words, "As they were given."),
  ports: optional(pipe(array(port), maxLength(MAX_PORTS))),
  mounts: field(words, "By their paths in the guest."),
  allowedHosts: optional(words),
  allowedCidrs: optional(words),
  allowedPresets: optional(words),
  addHosts: optional(words),
});

export const updateSchema = strictObject({
  ...omit(strictObject(changeable), ["network"]).entries,
  network: field(nullable(boolean()), "false or null takes the network away, with its lists."),
  remove: field(removals, "What is taken away, before anything is added."),
});

/** Spellings of earlier clients. */
export const FORMER = {
  mem: "memoryMb",
  memory: "memoryMb",
  memoryMib: "memoryMb",
  storage: "storageGb",
  storageGib: "storageGb",
  overlay: "overlayGb",
  overlayGib: "overlayGb",
  net: "network",
} as const;

export type CreateBody = InferOutput<typeof createSchema>;
export type UpdateBody = InferOutput<typeof updateSchema>;
export type Changeable = Omit<UpdateBody, "remove">;
export type PortBody = InferOutput<typeof port>;
export type MountBody = InferOutput<typeof mount>;
