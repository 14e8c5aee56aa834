import type { ImageConfig, Platform } from "../image/index.ts";
import { parseConfig } from "../image/oci/index.ts";
import { platformNamed } from "../image/platform.ts";
import type { Manifest } from "./manifest.ts";

/** The keys of a manifest that say what runs. */
type ConfigKeys = Pick<
  Manifest,
  "entrypoint" | "cmd" | "env" | "workdir" | "user" | "stop_signal" | "labels" | "volumes" | "exposed_ports"
>;

export function configToManifest(config: ImageConfig): ConfigKeys {
  const { entrypoint, cmd, env, workdir, user, stopSignal = null, labels, volumes, exposedPorts } = config;
  return {
    ...{ entrypoint, cmd, env, workdir, user, stop_signal: stopSignal, labels },
    ...{ volumes: [...volumes], exposed_ports: exposedPorts && [...exposedPorts] },
  };
}

/**
 * What runs, held to the rules of images' configurations: it is the word of a stranger too.
 *
 * @throws SmolError `image.bad_manifest`
 */
export function configOf(manifest: ConfigKeys): ImageConfig {
  const { entrypoint, cmd, env, workdir, user, stop_signal, labels, volumes, exposed_ports = [] } = manifest;
  const config = {
    Entrypoint: entrypoint,
    Cmd: cmd,
    Env: env,
    WorkingDir: workdir,
    User: user,
    StopSignal: stop_signal ?? undefined,
    Labels: labels,
    Volumes: Object.fromEntries(volumes.map((path) => [path, {}])),
    ExposedPorts: Object.fromEntries(exposed_ports.map((port) => [port, {}])),
  };
  return parseConfig(JSON.stringify({ config, rootfs: { type: "layers", diff_ids: [] } })).config;
}

/** The manifest's schema has checked its form. */
export const platformOf = ({ platform }: Pick<Manifest, "platform">): Platform => platformNamed(platform);
