import { command } from "./command.ts";
import { flag } from "./types.ts";

export const configShowOptions = {
  json: flag({ long: "json", description: "Print a JSON object" }),
};

export const configShow = command({
  path: ["config", "show"],
  summary: "Show the settings that are in effect",
  options: configShowOptions,
  details: async () => (await import("../help/config.ts")).show,
  load: () => import("../commands/config/show.ts"),
});

export const registriesPath = command({
  path: ["config", "registries", "path"],
  summary: "Print the path of the settings file",
  options: {},
  details: async () => (await import("../help/config.ts")).registriesPath,
  load: () => import("../commands/config/registries-path.ts"),
});

export const registriesShow = command({
  path: ["config", "registries", "show"],
  summary: "Show the registries that are configured",
  options: configShowOptions,
  details: async () => (await import("../help/config.ts")).registriesShow,
  load: () => import("../commands/config/registries-show.ts"),
});

export const registriesEdit = command({
  path: ["config", "registries", "edit"],
  summary: "Open the settings file in an editor, then check it",
  options: {},
  details: async () => (await import("../help/config.ts")).registriesEdit,
  load: () => import("../commands/config/registries-edit.ts"),
});

export const registriesInit = command({
  path: ["config", "registries", "init"],
  summary: "Create a settings file with examples",
  options: {},
  details: async () => (await import("../help/config.ts")).registriesInit,
  load: () => import("../commands/config/registries-init.ts"),
});
