import { print, printJson } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";

export const registriesShow = command({
  path: ["config", "registries", "show"],
  kind: "status",
  summary: "Show the registries that are configured",
  options: { json: flag({ long: "json", description: "Print a JSON object" }) },
  text: `Shows every registry of the settings file with its username, where its password comes from, mirrors
and certificates. Passwords and tokens are never shown; of a variable that should hold one, only
whether it is set. Logins of docker and podman are used as well, and not listed here.

--json prints an object with images and machines, as in config show --json.`,
  examples: [
    { command: "smolvm config registries show" },
    { command: "smolvm config registries show --json | jq -r '.images.registries[].host'" },
  ],
  run: async ({ values }) => {
    const [{ readSettings }, { formatRegistryList, registryListJson }] = await Promise.all([
      import("../../settings.ts"),
      import("../../show/registry-list.ts"),
    ]);
    const settings = await readSettings();
    if (values.json) await printJson(registryListJson(settings, process.env));
    else await print(formatRegistryList(settings, process.env));
    return 0;
  },
});
