import { loadSettings, resolvePaths } from "../../config/index.ts";
import { type NamedPack, namePack as nameOf } from "../../pack/registry/index.ts";
import { warn } from "../output.ts";

interface Choices {
  readonly proxy: string | undefined;
  readonly noProxy: string | undefined;
}

/** A pack in a registry, as a command names it, and how it is reached. @throws SmolError `registry.bad_reference`, `config.*` */
export async function namePack(
  name: string,
  { proxy, noProxy }: Choices,
  signal: AbortSignal,
): Promise<NamedPack> {
  const settings = await loadSettings(resolvePaths());
  for (const note of settings.notes) warn(note);
  return nameOf(name, settings, {
    proxy: { url: proxy, noProxy },
    onRetry: ({ what, reason }) => warn(`${what}: ${reason}; trying again`),
    signal,
  });
}
