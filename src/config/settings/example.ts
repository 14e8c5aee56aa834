import { closeSync, mkdirSync, openSync, rmSync, writeFileSync } from "node:fs";
import { errnoOf, messageOf, SmolError } from "../../errors.ts";

/** A settings file in which everything is a comment, and valid once the `#` before a key is removed. */
export const EXAMPLE = `# Settings of smolvm. Every line that begins with "#" and a key is an example: remove the "#" to use it.
# What the keys mean: docs/configuration.md. Check the file with: smolvm config show

# --- Registries that images come from -------------------------------------------------------------------------------

#[images]
#default_registry = "docker.io"      # for names without a registry

# Docker Hub. A password stands better in an environment variable than in this file.
#[images.registries."docker.io"]
#username = "name"
#password_env = "DOCKER_HUB_TOKEN"

#[images.registries."ghcr.io"]
#username = "name"
#password_env = "GHCR_TOKEN"
#mirrors = ["ghcr-mirror.example.com", "http://10.0.0.5:5000"]   # tried first, in this order

# A registry of your own, with a certificate that only your network knows.
#[images.registries."registry.example.com:5000"]
#username = "name"
#password = "secret"
#ca_file = "registry-ca.pem"         # from the directory of this file, or a whole path
#insecure = false                    # true: http, or https without a check of the certificate

# --- Registries that packed machines come from: the same keys -----------------------------------------------------

#[machines]
#default_registry = "registry.example.com"

# --- How much the image cache may hold; images that were not used for longest go first ------------------------------

#[cache]
#max_size = "64GiB"                  # or "unlimited"

# --- Downloads ------------------------------------------------------------------------------------------------------

#[pull]
#stall_timeout = "30s"               # a connection that brings nothing for so long is given up
#attempts = 5                        # how often a request is tried in all
#parallel_layers = 4

# --- Confinement of the processes that run VMs ------------------------------------------------------------------------

#[confinement]
#mode = "require"                    # no start where the host lacks a layer; "auto" takes what there is, "off" none

# --- Saved guests, from which machines on qemu go on instead of booting -----------------------------------------------

#[templates]
#mode = "off"                        # every machine boots; "eager" saves guests at once, "require" insists on one
`;

/**
 * Creates the settings file with examples, readable by its owner only, and directories where they are missing. A
 * file that is there already is left alone.
 *
 * @returns whether it was created
 * @throws SmolError `config.unwritable`; then nothing is left of it
 */
export function createExample(path: string): boolean {
  const failure = (error: unknown) =>
    new SmolError("config.unwritable", `cannot create ${path}: ${errnoOf(error) ?? messageOf(error)}`, {
      cause: error,
    });
  try {
    mkdirSync(path.slice(0, path.lastIndexOf("/")) || "/", { recursive: true, mode: 0o700 });
  } catch (error) {
    throw failure(error);
  }
  try {
    const descriptor = openSync(path, "wx", 0o600);
    writeOrRemove(descriptor, path);
    return true;
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return false;
    throw failure(error);
  }
}

function writeOrRemove(descriptor: number, path: string): void {
  try {
    writeFileSync(descriptor, EXAMPLE);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(descriptor);
  }
}
