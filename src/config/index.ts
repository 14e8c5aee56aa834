export { type Paths, resolvePaths } from "./paths.ts";
export { createExample } from "./settings/example.ts";
export { registryHost } from "./settings/host.ts";
export { loadSettings } from "./settings/load.ts";
export { settingsPath } from "./settings/path.ts";
export type { TemplateMode } from "./settings/templates.ts";
export type {
  CacheSettings,
  Environment,
  PullSettings,
  RegistryEntry,
  RegistrySettings,
  Settings,
} from "./settings/types.ts";
