import type { Environment, Settings } from "../../config/index.ts";
import { defaultSpec } from "../../machine/model/index.ts";
import { formatBytes } from "../format/bytes.ts";
import { type RegistriesJson, registriesJson, registryLine, unusedLines } from "./registries.ts";

/** The settings as `--json` prints them; the keys are stable. */
export function settingsJson(settings: Settings, env: Environment) {
  const { maxBytes } = settings.cache;
  const { cpus, memoryMib, storageGib, overlayGib } = defaultSpec("default");
  const { stallSeconds, attempts, parallelLayers } = settings.pull;
  return {
    path: settings.path,
    present: settings.present,
    legacy_path: settings.legacyPath ?? null,
    defaults: { cpus, memory_mib: memoryMib, storage_gb: storageGib, overlay_gb: overlayGib },
    images: registriesJson(settings.images, "images", env),
    machines: registriesJson(settings.machines, "machines", env),
    cache: { max_bytes: Number.isFinite(maxBytes) ? maxBytes : null },
    pull: { stall_timeout_seconds: stallSeconds, attempts, parallel_layers: parallelLayers },
    confinement: { mode: settings.confinement },
    templates: { mode: settings.templates },
    unused: settings.unused,
  };
}

/** The same for people. */
export function formatSettings(shown: ReturnType<typeof settingsJson>): string {
  const { defaults, cache, pull, confinement, templates } = shown;
  const limit = cache.max_bytes === null ? "unlimited" : formatBytes(cache.max_bytes);
  return [
    "Machines:",
    `  CPUs:            ${defaults.cpus}`,
    `  Memory:          ${defaults.memory_mib} MiB`,
    `  Storage:         ${defaults.storage_gb} GiB`,
    `  Overlay:         ${defaults.overlay_gb} GiB`,
    "",
    "Settings:",
    `  File:            ${shown.path}${shown.present ? "" : " (not present, defaults apply)"}`,
    ...(shown.legacy_path === null ? [] : [`  [images] is from ${shown.legacy_path}`]),
    `  Image cache:     ${limit}`,
    `  Stall timeout:   ${pull.stall_timeout_seconds} s`,
    `  Attempts:        ${pull.attempts}`,
    `  Parallel layers: ${pull.parallel_layers}`,
    `  Confinement:     ${confinement.mode}`,
    `  Saved guests:    ${templates.mode}`,
    "",
    ...section("images", shown.images),
    "",
    ...section("machines", shown.machines),
    ...unusedLines(shown.unused),
    "",
  ].join("\n");
}

function section(name: string, { default_registry, registries }: RegistriesJson): string[] {
  return [
    `Registries of ${name}:`,
    `  Default:         ${default_registry}`,
    `  Configured:      ${registries.length}`,
    ...registries.map((registry) => `    ${registryLine(registry)}`),
  ];
}
