// Not the folder's face, which loads the engines.
import { engineNames } from "../../engine/types.ts";
import { list, type OptionTable, optionalValue, section, type Values, value } from "../program/types.ts";
import { parseBytes } from "../values/bytes.ts";
import { parseDuration, parseLongDuration, parsePatience } from "../values/duration.ts";
import { parseLabel } from "../values/label.ts";
import { parseLimit } from "../values/limit.ts";
import { parseMountText, parseTmpfsText, parseVolumeText } from "../values/mount.ts";
import { POLICY_NAMES, parseRestart } from "../values/restart.ts";
import { parseSignalName } from "../values/signal.ts";
import { countUpTo, sizeIn } from "../values/size.ts";
import { oneOf, orNone, parseAnyText, parseSwitch, parseText } from "../values/text.ts";
import { lentOptions } from "./lent-options.ts";
import { networkOptions } from "./network-options.ts";
import { surroundingOptions } from "./process-options.ts";
import { platformOption } from "./pull-options.ts";

const GIB = { unit: "GiB", min: 1, max: 16_384 } as const;
export const MIB = { unit: "MiB", min: 64, max: 16_777_216 } as const;

/** Linux counts processes up to here (PID_MAX_LIMIT). */
const MAX_PIDS = 4_194_304;

const mountOptions = {
  volumes: list({
    long: "volume",
    short: "v",
    placeholder: "HOST:GUEST[:ro]",
    description: "A folder or file, or a volume's name; :overlay for a workspace",
    hint: { kind: "file" },
    parse: parseVolumeText,
  }),
  mounts: list({
    long: "mount",
    placeholder: "WORDS",
    description: "The same as type=bind,source=HOST,target=GUEST",
    parse: parseMountText,
  }),
  tmpfs: list({
    long: "tmpfs",
    placeholder: "GUEST[:size=64m]",
    description: "A filesystem in memory; options are size, mode and exec",
    parse: parseTmpfsText,
  }),
};

const SWITCH = { kind: "choice", values: ["on", "off"] } as const;

/** Which image. */
export const imageOptions = {
  image: value({
    long: "image",
    short: "I",
    placeholder: "IMAGE",
    description: "Image of a registry or of a file or directory, or - for stdin",
    hint: { kind: "image", files: true },
    parse: parseText,
  }),
  platform: platformOption,
};

const commandOptions = {
  entrypoint: value({
    long: "entrypoint",
    placeholder: "PROGRAM",
    description: "Replace the image's ENTRYPOINT; '' removes it",
    parse: parseAnyText,
  }),
  ...surroundingOptions,
  ulimits: list({
    long: "ulimit",
    placeholder: "NAME=SOFT[:HARD]",
    description: "Limit a resource of the command, e.g. nofile=1024:4096",
    parse: parseLimit,
  }),
  reaper: optionalValue({
    long: "reaper",
    placeholder: "SWITCH",
    description: "Put a small process 1 in front of the command, which reaps",
    hint: SWITCH,
    parse: parseSwitch,
    bare: true,
  }),
};

/** A flag in docker, and in the first release of this program; a shell command in Smolfiles and upstream. */
const INIT_HINT = "for a small process 1 that reaps, as docker's --init, write --reaper";

const initOptions = {
  init: list({
    long: "init",
    placeholder: "COMMAND",
    description: "Run a shell command at each start, before the workload",
    missing: INIT_HINT,
    parse: parseText,
  }),
  initOnce: list({
    long: "init-once",
    placeholder: "COMMAND",
    description: "The same, at the first start only",
    parse: parseText,
  }),
};

const sizeOptions = {
  cpus: value({
    long: "cpus",
    placeholder: "N",
    description: "Virtual CPUs",
    defaultText: "4, or the host's if fewer",
    parse: countUpTo(255),
  }),
  memory: value({
    long: "mem",
    placeholder: "MIB",
    description: "Memory, also as 512M or 2G; taken as it is used",
    defaultText: "8192",
    parse: sizeIn({ ...MIB, what: "memory" }),
  }),
  storage: value({
    long: "storage",
    placeholder: "GIB",
    description: "Size of the disk at /workspace, taken as it fills",
    defaultText: "20",
    parse: sizeIn({ ...GIB, what: "storage" }),
  }),
  overlay: value({
    long: "overlay",
    placeholder: "GIB",
    description: "Room for changes to the image's files",
    defaultText: "10",
    parse: sizeIn({ ...GIB, what: "overlay" }),
  }),
  pids: value({
    long: "pids",
    placeholder: "N",
    description: "Most processes at once (default: what the memory suggests)",
    parse: orNone(countUpTo(MAX_PIDS)),
  }),
  diskBps: value({
    long: "disk-bps",
    placeholder: "SIZE",
    description: "Most bytes a second that its disks read, and write; e.g. 50M",
    parse: orNone(parseBytes),
  }),
  mitigations: optionalValue({
    long: "mitigations",
    placeholder: "SWITCH",
    description: "Guard the machine's programs from each other's CPU leaks",
    hint: SWITCH,
    parse: parseSwitch,
    bare: true,
  }),
  gpu: optionalValue({
    long: "gpu",
    placeholder: "SWITCH",
    description: "Give it the host's GPU (smolvm doctor says whether it can)",
    hint: SWITCH,
    parse: parseSwitch,
    bare: true,
  }),
  gpuVram: value({
    long: "gpu-vram",
    placeholder: "MIB",
    description: "What the GPU may take of the host's memory",
    defaultText: "4096",
    parse: sizeIn({ ...MIB, min: 1, what: "GPU memory" }),
  }),
  engine: value({
    long: "engine",
    placeholder: "ENGINE",
    description: "krun or qemu (default: $SMOLVM_ENGINE, else what works here)",
    hint: { kind: "choice", values: engineNames },
    parse: oneOf(engineNames),
  }),
};

const lifeOptions = {
  labels: list({
    long: "label",
    short: "l",
    placeholder: "NAME=VALUE",
    description: "Say something about the machine, for machine ls --filter",
    parse: parseLabel,
  }),
  restart: value({
    long: "restart",
    placeholder: "POLICY[:N]",
    description: "Start again: never, always, on-failure, unless-stopped",
    hint: { kind: "choice", values: POLICY_NAMES },
    parse: parseRestart,
  }),
  restartBackoff: value({
    long: "restart-backoff",
    placeholder: "TIME",
    description: "Longest pause between restarts; it doubles from 1 s",
    defaultText: "5m",
    parse: parseDuration,
  }),
  healthCommand: value({
    long: "health-cmd",
    placeholder: "COMMAND",
    description: "Shell command that tells whether the workload is well",
    parse: orNone(parseText),
  }),
  healthInterval: value({
    long: "health-interval",
    placeholder: "TIME",
    description: "Time between checks",
    defaultText: "5s",
    parse: parseDuration,
  }),
  healthTimeout: value({
    long: "health-timeout",
    placeholder: "TIME",
    description: "How long a check may take",
    defaultText: "5s",
    parse: parseDuration,
  }),
  healthRetries: value({
    long: "health-retries",
    placeholder: "N",
    description: "Failures in a row that make it unhealthy",
    defaultText: "3",
    parse: countUpTo(1_000_000),
  }),
  healthGrace: value({
    long: "health-grace",
    aliases: ["health-start-period", "health-startup-grace"],
    placeholder: "TIME",
    description: "Failures in this time after a start do not count",
    defaultText: "0",
    parse: parsePatience,
  }),
  ttl: value({
    long: "ttl",
    placeholder: "TIME",
    description: "End by itself this long after a start",
    defaultText: "none",
    parse: orNone(parseLongDuration),
  }),
  idleTimeout: value({
    long: "idle-timeout",
    placeholder: "TIME",
    description: "End by itself when nothing was done for so long",
    defaultText: "none",
    parse: orNone(parseLongDuration),
  }),
  onTimeout: value({
    long: "on-timeout",
    placeholder: "WHAT",
    description: "What it does then: stop or delete",
    defaultText: "stop",
    hint: { kind: "choice", values: ["stop", "delete"] },
    parse: oneOf(["stop", "delete"]),
  }),
  stopSignal: value({
    long: "stop-signal",
    placeholder: "SIGNAL",
    description: "Asks the workload to end (default: the image's, else SIGTERM)",
    parse: parseSignalName,
  }),
  stopTimeout: value({
    long: "stop-timeout",
    placeholder: "TIME",
    description: "How long it may take to end after that",
    defaultText: "10s",
    parse: parsePatience,
  }),
};

/**
 * Everything that options say about a machine; `machine-layer.ts` has what it means. None has a value when it is not
 * given, so that a Smolfile below can tell.
 */
export const machineOptions = {
  ...section("Image", imageOptions),
  ...section("Command", { ...commandOptions, ...initOptions }),
  ...section("Files", mountOptions),
  ...section("Machine", sizeOptions),
  ...section("Network", networkOptions),
  ...section("Host", lentOptions),
  ...section("Lifetime", lifeOptions),
};

export type MachineValues = Values<typeof machineOptions>;

const { image: _, platform: __, init: ___, initOnce: ____, ...changeable } = machineOptions;

/** What `machine update` can change; what is not given stays as it is. */
export const changeOptions = withoutDefaults(changeable);

function withoutDefaults<O extends OptionTable>(options: O): O {
  const changed = Object.entries(options).map(([key, option]) => [
    key,
    { ...option, defaultText: undefined },
  ]);
  return Object.fromEntries(changed) as O;
}
