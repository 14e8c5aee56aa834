import { version } from "../../version.ts";
import { globals } from "../options/globals.ts";
import type { Program } from "../program/types.ts";

/** What the command line of smolvm has beside its commands. */
export const frame: Omit<Program, "commands"> = {
  name: "smolvm",
  version,
  summary: "boots any container image as a microVM from one file, without a daemon",
  groups: [
    { path: ["machine"], aliases: ["vm"], summary: "Make, run, use and delete machines" },
    { path: ["machine", "policy"], aliases: [], summary: "Tell what machines may reach, or need to" },
    {
      path: ["container"],
      aliases: ["ct", "containers"],
      summary: "Run further images inside a machine",
    },
    { path: ["docker"], aliases: [], summary: "Use the Docker engine of a machine" },
    { path: ["serve"], aliases: [], summary: "Answer requests of programs over HTTP" },
    { path: ["mcp"], aliases: [], summary: "Give models machines, by the Model Context Protocol" },
    { path: ["volume"], aliases: ["volumes"], summary: "Directories that outlive machines" },
    { path: ["images"], aliases: ["image"], summary: "Get images, list and remove them" },
    { path: ["pack"], aliases: ["packs"], summary: "Hand a machine over as one file, and run it" },
    { path: ["smolfile"], aliases: [], summary: "Check descriptions of machines" },
    { path: ["config"], aliases: [], summary: "Show and change settings" },
    { path: ["config", "registries"], aliases: [], summary: "Configure where images come from" },
  ],
  globals,
  former: {
    names: ["sandbox", "sb", "microvm", "serve", "mcp"],
    load: async () => (await import("./former.ts")).rename,
  },
  manual: async () => (await import("./manual.ts")).MANUAL,
};
