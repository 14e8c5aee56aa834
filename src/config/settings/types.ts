import type { ConfineMode } from "../../confine/types.ts";
import type { TemplateMode } from "./templates.ts";

/** What `config.toml` says, checked, with the defaults in place of what it does not say. */
export interface Settings {
  /** `[images]`: where images come from. */
  readonly images: RegistrySettings;
  /** `[machines]`: where packed machines come from. */
  readonly machines: RegistrySettings;
  readonly cache: CacheSettings;
  readonly pull: PullSettings;
  /** How the processes of VMs are confined where a start does not say it. */
  readonly confinement: ConfineMode;
  /** Whether machines go on from saved guests. */
  readonly templates: TemplateMode;
  /** Absolute path of the file, whether or not it exists. */
  readonly path: string;
  readonly present: boolean;
  /** `registries.toml` of earlier releases, when `images` was read from there. */
  readonly legacyPath: string | undefined;
  /**
   * Keys of the file that are valid and without effect in this release: `cloud`,
   * `images.registries."x".refresh_token`.
   */
  readonly unused: readonly string[];
  /** What the user should be told by commands that use the settings, one sentence each. */
  readonly notes: readonly string[];
}

export interface CacheSettings {
  /** Bytes that the image cache may hold; Infinity when there is no limit. */
  readonly maxBytes: number;
}

export interface PullSettings {
  /** A connection that brings nothing for so long is given up. */
  readonly stallSeconds: number;
  /** How often a request is tried in all. */
  readonly attempts: number;
  /** Layers that are downloaded at once. */
  readonly parallelLayers: number;
}

export interface RegistrySettings {
  /** Registry of names that name none; undefined: docker.io. */
  readonly defaultRegistry: string | undefined;
  /** By host, as `registryHost` spells it: `docker.io`, `ghcr.io`, `localhost:5000`. */
  readonly registries: ReadonlyMap<string, RegistryEntry>;
}

export interface RegistryEntry {
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Name of the environment variable that holds the password; it wins over `password` when it is set. */
  readonly passwordEnv?: string | undefined;
  readonly identityToken?: string | undefined;
  /** Tried in order before the registry: `host`, `host:port`, `http://host:port`, `https://host`. */
  readonly mirrors: readonly string[];
  /** Plain http, or https with a certificate that no authority has signed, is accepted. */
  readonly insecure: boolean;
  /** Absolute path of PEM certificates that are trusted for this registry, in addition to the usual ones. */
  readonly caFile?: string | undefined;
}

/** The type of `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;
