import { print, warn } from "../../output.ts";
import { command } from "../../program/command.ts";

export const registriesInit = command({
  path: ["config", "registries", "init"],
  summary: "Create a settings file with examples",
  options: {},
  text: `Creates the settings file with an example of everything, all of it as comments, readable by you
only. A file that is there already is left as it is.`,
  examples: [
    { command: "smolvm config registries init" },
    { command: "SMOLVM_CONFIG=./config.toml smolvm config registries init" },
  ],
  run: async () => {
    const [{ createExample }, { ownSettingsPath }] = await Promise.all([
      import("../../../config/index.ts"),
      import("../../settings.ts"),
    ]);
    const path = ownSettingsPath();
    if (createExample(path)) {
      await print(`Created example configuration at ${path}\n`);
    } else {
      warn(`${path} exists already and was left as it is: \`smolvm config registries edit\` changes it`);
    }
    return 0;
  },
});
