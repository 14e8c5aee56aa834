import { confineModes } from "../../confine/types.ts";
import { SmolError } from "../../errors.ts";
import type { TomlCodes, TomlTable } from "../../toml/table.ts";
import { type Paths, resolvePaths } from "../paths.ts";
import { readSettingsFile } from "./file.ts";
import { cacheFromEnvironment, DEFAULT_CACHE, DEFAULT_PULL, readCache, readPull } from "./limits.ts";
import { readMode } from "./mode.ts";
import { legacyPath, settingsPath } from "./path.ts";
import { type Findings, readRegistries } from "./registries.ts";
import { templateModes } from "./templates.ts";
import type { Environment, RegistrySettings, Settings } from "./types.ts";

const CODES: TomlCodes = {
  badToml: "config.bad_toml",
  unknownKey: "config.unknown_key",
  badValue: "config.bad_value",
};

const NO_REGISTRIES: RegistrySettings = { defaultRegistry: undefined, registries: new Map() };

/**
 * Reads the settings: `config.toml` of the configuration directory, or the file that SMOLVM_CONFIG names. Without a
 * file everything has its default. Reads only; nothing is created or migrated.
 *
 * @param options.mayBeMissing also the file that SMOLVM_CONFIG names need not be there.
 * @throws SmolError `config.*`, with `file:line:column` where that helps; never with a part of a secret
 */
export async function loadSettings(
  paths: Pick<Paths, "config"> = resolvePaths(),
  env: Environment = process.env,
  options: { readonly mayBeMissing?: boolean } = {},
): Promise<Settings> {
  const path = settingsPath(paths, env);
  const own = await readConfig(path);
  if (!own.present && env.SMOLVM_CONFIG !== undefined && options.mayBeMissing !== true) throw missing(path);
  const legacy = own.images === undefined ? await readLegacy(legacyPath(path)) : undefined;
  return {
    images: own.images ?? legacy?.images ?? NO_REGISTRIES,
    machines: own.machines ?? NO_REGISTRIES,
    cache: cacheFromEnvironment(env) ?? own.cache,
    pull: own.pull,
    confinement: own.confinement,
    templates: own.templates,
    path,
    present: own.present,
    legacyPath: legacy === undefined ? undefined : legacyPath(path),
    unused: [...own.unused, ...(legacy?.unused ?? [])],
    notes: [...own.notes, ...(legacy?.notes ?? [])],
  };
}

/** A user who names a file wants what is in it: defaults in its place would be other registries. */
function missing(path: string): SmolError {
  return new SmolError("config.missing_file", `SMOLVM_CONFIG names a file that is not there: ${path}`, {
    hint: "correct or unset SMOLVM_CONFIG, or create the file: smolvm config registries init",
  });
}

async function readConfig(path: string) {
  const defaults = {
    ...{ cache: DEFAULT_CACHE, pull: DEFAULT_PULL },
    ...({ confinement: "auto", templates: "auto" } as const),
  };
  const read = await readFile(path, (root, directory, findings) => {
    const images = root.table("images");
    const machines = root.table("machines");
    const found = {
      images: images && readRegistries(images, directory, findings),
      machines: machines && readRegistries(machines, directory, findings),
      cache: readCache(root.table("cache")),
      pull: readPull(root.table("pull")),
      confinement: readMode(root.table("confinement"), confineModes, defaults.confinement),
      templates: readMode(root.table("templates"), templateModes, defaults.templates),
    };
    noteCloud(root.table("cloud"), findings);
    root.finish();
    return found;
  });
  return read === undefined
    ? { ...defaults, images: undefined, machines: undefined, present: false, unused: [], notes: [] }
    : { ...read, present: true };
}

/** `registries.toml`: its whole content is what `[images]` is now. */
async function readLegacy(path: string) {
  return readFile(path, (root, directory, findings) => ({
    images: readRegistries(root, directory, findings),
  }));
}

/**
 * Upstream's account with its cloud. This release has no use for it and does not look inside, so that a file which
 * upstream wrote can be shared with it; most of what may stand there is secret.
 */
function noteCloud(section: TomlTable | undefined, findings: Findings): void {
  if (section === undefined) return;
  if (section.keys().some((key) => key !== "endpoint")) findings.hasSecret = true;
  findings.unused.push("cloud");
}

/** Reads a file by `reader`; undefined when there is no file. */
async function readFile<T>(
  path: string,
  reader: (root: TomlTable, directory: string, findings: Findings) => T,
) {
  const file = await readSettingsFile(path);
  if (file === undefined) return undefined;
  // The parser is loaded only where there is something to parse: most users have no settings.
  const { TomlDocument } = await import("../../toml/index.ts");
  const findings: Findings = { unused: [], hasSecret: false };
  const { root } = new TomlDocument(path, file.text, CODES);
  const found = reader(root, path.slice(0, path.lastIndexOf("/")), findings);
  const exposed = file.shared && findings.hasSecret;
  const notes = exposed ? [`${path} holds a password and other users can read it: chmod 600 ${path}`] : [];
  return { ...found, unused: findings.unused, notes };
}
