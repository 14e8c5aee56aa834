import { configShow, registriesEdit, registriesInit, registriesPath, registriesShow } from "./config.ts";
import { exec } from "./exec.ts";
import {
  imagesInspect,
  imagesList,
  imagesPrune,
  imagesPull,
  imagesRemove,
  machineImages,
  machinePrune,
  pull,
} from "./images.ts";
import { ls } from "./ls.ts";
import { run } from "./run.ts";
import { completion, doctor, help, licences } from "./system.ts";
import type { CommandSpec, GroupSpec } from "./types.ts";

/** Every command of this release, in the order in which help lists them. */
export const COMMANDS: readonly CommandSpec[] = [
  run,
  exec,
  ls,
  machineImages,
  machinePrune,
  imagesList,
  imagesPull,
  imagesRemove,
  imagesInspect,
  imagesPrune,
  pull,
  configShow,
  registriesShow,
  registriesEdit,
  registriesInit,
  registriesPath,
  doctor,
  completion,
  licences,
  help,
];

export const GROUPS: readonly GroupSpec[] = [
  { path: ["machine"], aliases: ["vm"], summary: "Run commands in machines and list them" },
  { path: ["images"], aliases: ["image"], summary: "Get images, list and remove them" },
  { path: ["config"], aliases: [], summary: "Show and change settings" },
  { path: ["config", "registries"], aliases: [], summary: "Configure where images come from" },
];

/** The options of the program itself. */
export const GLOBAL_OPTIONS: readonly { short: string; long: string; description: string }[] = [
  { short: "h", long: "help", description: "Print help: -h in short, --help in full" },
  { short: "V", long: "version", description: "Print the version" },
];
