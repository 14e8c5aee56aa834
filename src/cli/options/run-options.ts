// Not the folder's face, which loads the engines.
import { engineNames } from "../../engine/types.ts";
import type { PullPolicy } from "../../image/index.ts";
import { flag, list, optionalValue, value, valueOr } from "../program/types.ts";
import { parseLimit } from "../values/limit.ts";
import { countUpTo, sizeIn } from "../values/size.ts";
import { oneOf, parseAnyText, parseText } from "../values/text.ts";
import { processOptions } from "./process-options.ts";
import { platformOption, pullOptions } from "./pull-options.ts";

const PULL_POLICIES = ["missing", "always", "never"] as const satisfies readonly PullPolicy[];
const TIMINGS = ["text", "json"] as const;

const GIB = { unit: "GiB", min: 1, max: 16_384 } as const;
const MIB = { unit: "MiB", min: 64, max: 16_777_216 } as const;

export const runOptions = {
  image: value({
    long: "image",
    short: "I",
    placeholder: "IMAGE",
    description: "Image of a registry or of a file or directory, or - for stdin",
    hint: { kind: "image", files: true },
    parse: parseText,
  }),
  platform: platformOption,
  pull: valueOr({
    long: "pull",
    placeholder: "WHEN",
    description: "Ask the registry: missing, always or never",
    fallback: "missing" as PullPolicy,
    hint: { kind: "choice", values: PULL_POLICIES },
    parse: oneOf(PULL_POLICIES),
  }),
  ...pullOptions,
  entrypoint: value({
    long: "entrypoint",
    placeholder: "PROGRAM",
    description: "Replace the image's ENTRYPOINT; '' removes it",
    parse: parseAnyText,
  }),
  init: flag({
    long: "init",
    description: "Run a small init as process 1, which reaps; COMMAND is its child",
  }),
  ...processOptions,
  ulimits: list({
    long: "ulimit",
    placeholder: "NAME=SOFT[:HARD]",
    description: "Limit a resource of the command, e.g. nofile=1024:4096",
    parse: parseLimit,
  }),
  cpus: valueOr({
    long: "cpus",
    placeholder: "N",
    description: "Virtual CPUs",
    // More than the host has only cost time, most of all under emulation.
    fallback: Math.min(4, navigator.hardwareConcurrency),
    defaultText: "4, or the host's if fewer",
    parse: countUpTo(255),
  }),
  memory: valueOr({
    long: "mem",
    placeholder: "MIB",
    description: "Memory, also as 512M or 2G; taken as it is used",
    fallback: 8192,
    parse: sizeIn(MIB),
  }),
  storage: valueOr({
    long: "storage",
    placeholder: "GIB",
    description: "Size of the disk at /workspace, taken as it fills",
    fallback: 20,
    parse: sizeIn(GIB),
  }),
  overlay: valueOr({
    long: "overlay",
    placeholder: "GIB",
    description: "Room for changes to the image's files",
    fallback: 10,
    parse: sizeIn(GIB),
  }),
  mitigations: flag({
    long: "mitigations",
    description: "Guard the machine's programs from each other's CPU leaks",
  }),
  name: value({
    long: "name",
    short: "n",
    placeholder: "NAME",
    description: "Name of the machine while it runs (default: vm- and 8 digits)",
    parse: parseText,
  }),
  engine: value({
    long: "engine",
    placeholder: "ENGINE",
    description: "krun or qemu (default: $SMOLVM_ENGINE, else what works here)",
    hint: { kind: "choice", values: engineNames },
    parse: oneOf(engineNames),
  }),
  timings: optionalValue({
    long: "timings",
    placeholder: "FORMAT",
    description: "Print on stderr how long each part took, as text or json",
    hint: { kind: "choice", values: TIMINGS },
    parse: oneOf(TIMINGS),
    bare: "text" as const,
  }),
  remove: flag({ long: "rm", description: "No effect: what runs here is always removed afterwards" }),
};
