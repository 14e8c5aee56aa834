import type { ImageConfig, Platform } from "../types.ts";

/** Who made an image out of another one, and why. */
export interface ImageOrigin {
  readonly author: string;
  readonly message: string;
}

/** The configuration of an image as a document (config.md), from which `parseConfig` reads the same again. */
export function configDocument(
  config: ImageConfig,
  about: {
    readonly platform: Platform;
    readonly diffIds: readonly string[];
    /** Seconds since 1970. */
    readonly createdAt: number;
    readonly made?: ImageOrigin | undefined;
  },
): string {
  const { platform, diffIds, createdAt, made } = about;
  const created = new Date(createdAt * 1000).toISOString().replace(".000Z", "Z");
  const named = (names: readonly string[]) =>
    names.length === 0 ? undefined : Object.fromEntries(names.map((name) => [name, {}]));
  const { entrypoint, cmd, env, workdir, user, labels, volumes, stopSignal, exposedPorts = [] } = config;
  return JSON.stringify({
    created,
    author: made?.author || undefined,
    architecture: platform.architecture,
    variant: platform.variant,
    os: platform.os,
    config: {
      User: user || undefined,
      ExposedPorts: named(exposedPorts),
      Env: env,
      Entrypoint: entrypoint.length === 0 ? undefined : entrypoint,
      Cmd: cmd.length === 0 ? undefined : cmd,
      Volumes: named(volumes),
      WorkingDir: workdir,
      Labels: Object.keys(labels).length === 0 ? undefined : labels,
      StopSignal: stopSignal,
    },
    rootfs: { type: "layers", diff_ids: diffIds },
    history: diffIds.map((_, index) => ({
      created,
      created_by: "smolvm",
      comment: index === diffIds.length - 1 ? made?.message || undefined : undefined,
    })),
  });
}
