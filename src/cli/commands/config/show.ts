import { print, printJson } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";

export const configShow = command({
  path: ["config", "show"],
  kind: "status",
  summary: "Show the settings that are in effect",
  options: { json: flag({ long: "json", description: "Print a JSON object" }) },
  text: `Shows the defaults of machines, and what the settings file says or leaves at its default:
registries, the limit of the image cache, downloads. Passwords and tokens are never shown. A file
that is not right is an error with its line and column. Looking changes nothing and creates nothing.

--json prints an object with the keys path, present, legacy_path, defaults, images, machines, cache,
pull and unused (keys of the file that have no effect in this release). images and machines have
default_registry and registries: an array of objects with host, username, auth, password_env,
password_env_set, mirrors, insecure and ca_file; auth is one of "auth (env var)", "auth (direct)",
"auth (token)", "no password" and "no auth". cache.max_bytes is null when there is no limit.`,
  examples: [
    { command: "smolvm config show" },
    { command: "smolvm config show --json | jq .cache.max_bytes" },
  ],
  run: async ({ values }) => {
    const [{ readSettings }, { formatSettings, settingsJson }] = await Promise.all([
      import("../../settings.ts"),
      import("../../show/settings.ts"),
    ]);
    const shown = settingsJson(await readSettings(), process.env);
    if (values.json) await printJson(shown);
    else await print(formatSettings(shown));
    return 0;
  },
});
