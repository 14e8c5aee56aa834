import { print } from "../../output.ts";
import { ownSettingsPath } from "./settings.ts";

/** `config registries path`. */
export async function run(): Promise<number> {
  await print(`${ownSettingsPath()}\n`);
  return 0;
}
