import { version } from "../../version.ts";
import { globals } from "../options/globals.ts";
import type { Program } from "../program/types.ts";
import { registriesEdit } from "./config/registries-edit.ts";
import { registriesInit } from "./config/registries-init.ts";
import { registriesPath } from "./config/registries-path.ts";
import { registriesShow } from "./config/registries-show.ts";
import { configShow } from "./config/show.ts";
import { imagesInspect } from "./images/inspect.ts";
import { imagesList } from "./images/ls.ts";
import { imagesPrune } from "./images/prune.ts";
import { imagesPull, pull } from "./images/pull.ts";
import { imagesRemove } from "./images/rm.ts";
import { exec } from "./machine/exec.ts";
import { machineImages } from "./machine/images.ts";
import { ls } from "./machine/ls.ts";
import { machinePrune } from "./machine/prune.ts";
import { run } from "./machine/run.ts";
import { completion } from "./system/completion.ts";
import { doctor } from "./system/doctor.ts";
import { help } from "./system/help.ts";
import { licences } from "./system/licences.ts";

/** The command line of smolvm: a command that is not listed here does not exist. */
export const program: Program = {
  name: "smolvm",
  version,
  summary: "boots any container image as a microVM from one file, without a daemon",
  commands: [
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
  ],
  groups: [
    { path: ["machine"], aliases: ["vm"], summary: "Run commands in machines and list them" },
    { path: ["images"], aliases: ["image"], summary: "Get images, list and remove them" },
    { path: ["config"], aliases: [], summary: "Show and change settings" },
    { path: ["config", "registries"], aliases: [], summary: "Configure where images come from" },
  ],
  globals,
  manual: async () => (await import("./manual.ts")).MANUAL,
};
