import { print } from "../../output.ts";
import { command } from "../../program/command.ts";

export const registriesPath = command({
  path: ["config", "registries", "path"],
  kind: "status",
  summary: "Print the path of the settings file",
  options: {},
  text: `Prints where the settings file is, or would be: $SMOLVM_CONFIG, else config.toml in
$XDG_CONFIG_HOME/smolvm (~/.config/smolvm).`,
  examples: [{ command: "smolvm config registries path" }],
  run: async () => {
    const { ownSettingsPath } = await import("../../settings.ts");
    await print(`${ownSettingsPath()}\n`);
    return 0;
  },
});
