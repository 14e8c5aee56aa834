import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SmolError } from "../../errors.ts";
import { loadSettings } from "./load.ts";
import type { Environment, Settings } from "./types.ts";

/** The files of a configuration directory, by name. */
export type Files = Readonly<Record<string, string | Uint8Array>>;

/** What `loadSettings` makes of these files; `DIR` in errors stands for their directory. */
export async function load(
  files: Files,
  env: Environment = {},
  options: Parameters<typeof loadSettings>[2] = {},
): Promise<Settings> {
  const config = mkdtempSync(join(tmpdir(), "smolvm-config-"));
  try {
    for (const [name, content] of Object.entries(files))
      writeFileSync(join(config, name), content, { mode: 0o600 });
    return await loadSettings({ config }, env, options);
  } catch (error) {
    if (!(error instanceof SmolError)) throw error;
    const hint = error.hint?.replaceAll(config, "DIR");
    throw new SmolError(error.code, error.message.replaceAll(config, "DIR"), { hint });
  } finally {
    rmSync(config, { recursive: true });
  }
}

/** `code: message | hint` of the refusal. */
export async function refusal(files: Files, env: Environment = {}): Promise<string> {
  try {
    await load(files, env);
  } catch (error) {
    if (!(error instanceof SmolError)) throw error;
    return `${error.code}: ${error.message}${error.hint === undefined ? "" : ` | ${error.hint}`}`;
  }
  throw new Error("was not refused");
}
