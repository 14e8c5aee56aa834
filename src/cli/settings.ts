import { loadSettings, resolvePaths, type Settings, settingsPath } from "../config/index.ts";
import { warn } from "./output.ts";

/** Reads the settings, and tells the user what there is to tell about their file. Without a file: the defaults. */
export async function readSettings(): Promise<Settings> {
  const settings = await loadSettings(resolvePaths(), process.env, { mayBeMissing: true });
  for (const note of settings.notes) warn(note);
  return settings;
}

/** Absolute path of the settings file. */
export function ownSettingsPath(): string {
  return settingsPath(resolvePaths(), process.env);
}
