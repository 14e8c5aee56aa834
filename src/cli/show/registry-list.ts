import type { Environment, RegistrySettings, Settings } from "../../config/index.ts";
import { DEFAULT_REGISTRY } from "../../registry/index.ts";
import { registriesJson, registryBlock, unusedLines } from "./registries.ts";

/** What `config registries show --json` prints. */
export function registryListJson({ images, machines }: Settings, env: Environment) {
  return {
    images: registriesJson(images, "images", env),
    machines: registriesJson(machines, "machines", env),
  };
}

/** The same for people, with a final newline. */
export function formatRegistryList(settings: Settings, env: Environment): string {
  const { images, machines, path, present, legacyPath, unused } = settings;
  const sections = [...section("images", images, env), ...section("machines", machines, env)];
  if (sections.length === 0) {
    const next = present ? "smolvm config registries edit" : "smolvm config registries init";
    const state = present ? "" : " (not present)";
    return `No registries configured in ${path}${state}\nTo configure some: ${next}\n`;
  }
  const origin = legacyPath === undefined ? path : `${legacyPath}, as ${path} has no [images]`;
  return [`Registries of ${origin}:`, ...sections, ...unusedLines(unused), ""].join("\n");
}

function section(
  name: keyof typeof DEFAULT_REGISTRY,
  { defaultRegistry, registries }: RegistrySettings,
  env: Environment,
): string[] {
  if (defaultRegistry === undefined && registries.size === 0) return [];
  const blocks = [...registries].flatMap(([host, entry]) => [
    "",
    ...registryBlock(host, entry, env).map((line) => `  ${line}`),
  ]);
  return ["", `${name}, default ${defaultRegistry ?? DEFAULT_REGISTRY[name]}:`, ...blocks];
}
