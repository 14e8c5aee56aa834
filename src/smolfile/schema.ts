/**
 * What a Smolfile may say: the one definition from which the reader, the schema for editors and the suggestions for
 * mistyped keys come. What it means is in settings.ts, what this release cannot do yet in later.ts, rules about more
 * than one key in rules.ts.
 */
import { type InferOutput, record, strictObject } from "valibot";
import {
  addressRange,
  fingerprint,
  guestDirectory,
  host,
  image,
  platform,
  policy,
  port,
  signal,
  variable,
  volume,
} from "./formats.ts";
import { choice, count, flag, formed, key, list, size, span, text, word } from "./values.ts";

const U32 = 2 ** 32 - 1;
const MOST_MIB = 16_777_216;
const MOST_GIB = 16_384;

const cpus = count(1, 255);
const memory = size("MiB", 64, MOST_MIB);
const disk = size("GiB", 1, MOST_GIB);
const words = list(text);
const ports = list(port);
const volumes = list(volume);
const variables = list(variable);
const portNumber = count(1, 65_535);

const dev = strictObject({
  volumes: key(volumes, "Folders of the host, in place of the top-level ones."),
  ports: key(ports, "Forwarded ports, in place of the top-level ones."),
  init: key(words, "Shell commands at each start, in place of the top-level ones."),
  init_once: key(words, "Shell commands at the first start only, in place of the top-level ones."),
  env: key(variables, "Variables in addition to the top-level ones; the later of the same name wins."),
  workdir: key(guestDirectory, "Working directory, in place of the top-level one."),
});

const artifact = strictObject({
  cpus: key(cpus, "Virtual CPUs of the packed machine."),
  memory: key(memory, 'Its memory in MiB, or a text such as "2G".'),
  entrypoint: key(words, "Its entrypoint, in place of the top-level one."),
  cmd: key(words, "Its arguments, in place of the top-level ones."),
  oci_platform: key(platform, "Which platform of the image is packed, e.g. linux/arm64."),
});

const network = strictObject({
  allow_hosts: key(list(host), "Names that the machine may reach; implies net."),
  allow_cidrs: key(list(addressRange), "Addresses or ranges that the machine may reach; implies net."),
});

const health = strictObject({
  exec: key(words, "Program and arguments, run as the workload would run them; exit code 0 is healthy."),
  interval: key(span(100, "clamp"), "Time between checks. Default: 5s."),
  timeout: key(span(100, "clamp"), "Time after which a check has failed. Default: 5s."),
  retries: key(count(1, U32), "Failures in a row that make it unhealthy. Default: 3."),
  startup_grace: key(span(0, "clamp"), "Failures in this time after a start do not count. Default: 0s."),
});

const restart = strictObject({
  policy: key(policy, "When what has ended is started again. Default: never."),
  max_retries: key(count(0, U32), "Restarts in a row at most; 0: no limit. Default: 0."),
  max_backoff: key(span(1000, "clamp"), "The longest pause before a restart. Default: 300s."),
});

const auth = strictObject({
  ssh_agent: key(flag, "The host's SSH agent answers in the machine. Default: false."),
  ssh_agent_keys: key(list(fingerprint), "Only these of its keys, as `ssh-add -l` names them. Default: all."),
});

const fork = strictObject({
  enabled: key(flag, "Start the machine so that it can be forked. Default: false."),
  pool_size: key(count(1, U32), "Forks that are kept ready; requires cuda = true, implies enabled."),
  cuda_vram_limit_mib: key(
    count(1, Number.MAX_SAFE_INTEGER),
    "GPU memory of each fork in MiB; requires pool_size.",
  ),
});

const service = strictObject({
  port: key(portNumber, "For tools that deploy: the port on which the workload serves."),
  listen: key(portNumber, "Another name of port."),
  protocol: key(word, "For tools that deploy: what the workload speaks."),
});

const secret = strictObject({
  from_env: key(word, "The host's variable that holds the value."),
  from_file: key(
    formed(/^\//, (value) => (value.startsWith("/") ? undefined : "must be an absolute path")),
    "The host's file that holds the value; an absolute path.",
  ),
});

export const smolfileSchema = strictObject({
  image: key(
    image,
    "Image of a registry, or an archive or directory by its path, from the directory of this file. Without one: Alpine.",
  ),
  oci_platform: key(platform, "Which platform of the image is taken, e.g. linux/arm64. Default: the host's."),
  entrypoint: key(words, 'Replaces the image\'s ENTRYPOINT, and drops its CMD; [""] removes it.'),
  cmd: key(words, "Replaces the image's CMD: the arguments of the entrypoint."),
  env: key(variables, "Variables, NAME=value; NAME alone passes the host's value on."),
  workdir: key(guestDirectory, "Working directory. Default: the image's."),
  user: key(word, "USER[:GROUP] that the workload runs as, by name or number. Default: the image's."),
  init: key(words, "Shell commands at each start, before the workload; one that fails fails the start."),
  init_once: key(words, "Shell commands at the first start only, before those of init."),
  stop_signal: key(signal, "Signal that asks the workload to end. Default: the image's, else SIGTERM."),
  stop_timeout: key(span(0), "How long the workload may take to end after it. Default: 10s."),
  reaper: key(flag, "A small init is the workload's parent. Default: false."),
  labels: key(record(word, text), "Names and values that mean something to you; a machine is found by them."),

  cpus: key(cpus, "Virtual CPUs. Default: 4, or the host's if fewer."),
  memory: key(memory, 'Memory in MiB, or a text such as "2G"; taken as it is used. Default: 8192.'),
  storage: key(disk, "Size of the disk at /storage in GiB, taken as it fills. Default: 20."),
  overlay: key(disk, "Room for changes to the image's files in GiB, taken as it fills. Default: 10."),
  pids: key(count(1, 4_194_304), "Processes and threads of the workload at most. Default: by memory."),
  disk_bps: key(
    size("bytes", 1, Number.MAX_SAFE_INTEGER),
    "Bytes a second that each disk reads or writes at most.",
  ),
  mitigations: key(flag, "Guard the machine's programs from each other's CPU leaks. Default: false."),

  ttl: key(span(1), "Time from each start after which the machine ends by itself."),
  idle_timeout: key(span(1), "Time without a command or a byte moved after which it ends by itself."),
  on_timeout: key(choice("stop", "delete"), "What its end by itself is. Default: stop."),

  net: key(flag, "The machine reaches the network. Default: false."),
  ports: key(ports, "Ports of the host that lead into the machine, HOST:GUEST."),
  volumes: key(
    volumes,
    "Folders or files of the host, or volumes by name, SOURCE:GUEST[:ro]; from this file's directory.",
  ),
  gpu: key(flag, "The machine has a GPU, of the host's. Default: false."),
  gpu_vram: key(
    count(1, 16_777_216),
    "What the GPU may take of the host's memory, MiB; without gpu it has no effect. Default: 4096.",
  ),
  rosetta: key(flag, "Translate x86-64 programs on Apple silicon. Default: false."),
  cuda: key(flag, "Programs reach an NVIDIA GPU of the host. Default: false."),
  auto_graph: key(flag, "CUDA graphs are made automatically; implies cuda. Default: false."),
  docker_socket: key(flag, "The machine's Docker answers on the host. Default: false."),

  dev: key(dev, "Where this file is run or created; not what is packed."),
  artifact: key(artifact, "Where it is packed."),
  pack: key(artifact, "Another name of artifact, which wins where both are."),
  network: key(network, "What the machine may reach; implies net."),
  health: key(health, "How it is found out whether the workload is well."),
  restart: key(restart, "When what has ended by itself is started again."),
  auth: key(auth, "What the host lends."),
  fork: key(fork, "Copies of the running machine."),
  service: key(service, "For tools that deploy; smolvm itself makes no use of it."),
  secrets: key(
    record(word, secret),
    "Variables whose values are looked up on the host each time, and never stored.",
  ),
});

/** What stands in a Smolfile, as it stands there. */
export type SmolfileContent = InferOutput<typeof smolfileSchema>;
