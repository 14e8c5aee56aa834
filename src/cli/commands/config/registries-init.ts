import { createExample } from "../../../config/index.ts";
import { print, warn } from "../../output.ts";
import { ownSettingsPath } from "./settings.ts";

/** `config registries init`. */
export async function run(): Promise<number> {
  const path = ownSettingsPath();
  if (createExample(path)) {
    await print(`Created example configuration at ${path}\n`);
  } else {
    warn(`${path} exists already and was left as it is: \`smolvm config registries edit\` changes it`);
  }
  return 0;
}
