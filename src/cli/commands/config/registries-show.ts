import type { RegistrySettings, Settings } from "../../../config/index.ts";
import { print } from "../../output.ts";
import type { configShowOptions } from "../../table/config.ts";
import type { Invocation } from "../../table/types.ts";
import { DEFAULT_REGISTRY, registriesJson, registryBlock, unusedLines } from "./describe.ts";
import { readSettings } from "./settings.ts";

/** `config registries show`. */
export async function run({ values }: Invocation<typeof configShowOptions>): Promise<number> {
  const settings = await readSettings();
  await print(values.json ? formatJson(settings) : format(settings));
  return 0;
}

function formatJson({ images, machines }: Settings): string {
  const shown = {
    images: registriesJson(images, "images", process.env),
    machines: registriesJson(machines, "machines", process.env),
  };
  return `${JSON.stringify(shown, null, 2)}\n`;
}

function format(settings: Settings): string {
  const { images, machines, path, present, legacyPath, unused } = settings;
  const sections = [...section("images", images), ...section("machines", machines)];
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
): string[] {
  if (defaultRegistry === undefined && registries.size === 0) return [];
  const blocks = [...registries].flatMap(([host, entry]) => [
    "",
    ...registryBlock(host, entry, process.env).map((line) => `  ${line}`),
  ]);
  return ["", `${name}, default ${defaultRegistry ?? DEFAULT_REGISTRY[name]}:`, ...blocks];
}
