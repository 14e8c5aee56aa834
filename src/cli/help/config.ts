import type { Details } from "../table/types.ts";

export const show: Details = {
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
};

export const registriesPath: Details = {
  text: `Prints where the settings file is, or would be: $SMOLVM_CONFIG, else config.toml in
$XDG_CONFIG_HOME/smolvm (~/.config/smolvm).`,
  examples: [{ command: "smolvm config registries path" }],
};

export const registriesShow: Details = {
  text: `Shows every registry of the settings file with its username, where its password comes from, mirrors
and certificates. Passwords and tokens are never shown; of a variable that should hold one, only
whether it is set. Logins of docker and podman are used as well, and not listed here.

--json prints an object with images and machines, as in config show --json.`,
  examples: [
    { command: "smolvm config registries show" },
    { command: "smolvm config registries show --json | jq -r '.images.registries[].host'" },
  ],
};

export const registriesEdit: Details = {
  text: `Opens the settings file in $VISUAL, $EDITOR or, at a terminal, vi; a file with examples is created
first where there is none. When the editor has ended, the file is checked: the number of registries
is printed, or an error with its line and column, and the exit code is then 1.`,
  examples: [
    { command: "smolvm config registries edit" },
    { command: 'EDITOR="code --wait" smolvm config registries edit' },
  ],
};

export const registriesInit: Details = {
  text: `Creates the settings file with an example of everything, all of it as comments, readable by you
only. A file that is there already is left as it is.`,
  examples: [
    { command: "smolvm config registries init" },
    { command: "SMOLVM_CONFIG=./config.toml smolvm config registries init" },
  ],
};
