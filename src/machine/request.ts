import type { EngineName } from "../engine/index.ts";
import type { Platform, PullPolicy, PullProgress } from "../image/index.ts";
import type { ResourceLimit } from "../protocol/index.ts";

/** Everything that `machine run` was asked for, parsed and checked, with defaults applied. */
export interface RunRequest {
  /** As given to `--image`; undefined means the built-in base image. */
  readonly image: string | undefined;
  /** `os/arch[/variant]` of `--oci-platform`. */
  readonly platform: Platform | undefined;
  /** When a registry is asked for the image. */
  readonly pull: PullPolicy;
  /** Told what the user should know about the settings, one sentence each. */
  readonly onNote?: ((note: string) => void) | undefined;
  /** Told the machine's name when everything is ready to start it. */
  readonly onStart?: ((name: string) => Promise<void>) | undefined;
  /** Told what a pull does; an image that is in the cache has nothing to tell. */
  readonly onPull?: ((event: PullProgress) => void) | undefined;
  /** `--proxy`, `--no-proxy`: win over the environment. */
  readonly proxy?: string | undefined;
  readonly noProxy?: string | undefined;
  /** Bytes of the image's files at which a pull is given up. */
  readonly maxImageBytes?: number | undefined;
  /** Undefined: a name is made up (`vm-` and 8 hex digits). */
  readonly name: string | undefined;
  /** The words after the options; empty when none were given. */
  readonly command: readonly string[];
  /** Replaces the image's ENTRYPOINT; an empty string removes it. */
  readonly entrypoint: string | undefined;
  /** A small init is the first process, and the command its child. */
  readonly init: boolean;
  readonly interactive: boolean;
  readonly tty: boolean;
  /** `NAME=value`, in the order given; later wins. */
  readonly env: readonly string[];
  readonly workdir: string | undefined;
  readonly user: string | undefined;
  readonly rlimits: readonly ResourceLimit[];
  readonly timeoutMs: number | undefined;
  readonly cpus: number;
  readonly memoryMib: number;
  readonly storageGib: number;
  readonly overlayGib: number;
  /** The guest's kernel mitigates the processor's faults, which one tenant does not need. */
  readonly mitigations: boolean;
  readonly engine: EngineName | undefined;
  /** Print the spans of the start on stderr. */
  readonly timings: "text" | "json" | undefined;
}

/** One line of `machine ls`; the keys but `env` are those of its `--json`. */
export interface MachineSummary {
  readonly name: string;
  readonly state: "starting" | "running";
  readonly cpus: number;
  readonly memory_mib: number;
  readonly pid: number;
  readonly created_at: number;
  readonly storage_gb: number;
  readonly overlay_gb: number;
  readonly image: string | null;
  readonly image_id: string | null;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly workdir: string;
  /** Not in the JSON: values may be secrets, and JSON ends up in logs. */
  readonly env: readonly string[];
  readonly network: boolean;
  readonly ephemeral: boolean;
  readonly engine: string;
}

/** Everything that `machine exec` was asked for. */
export interface ExecCommand {
  readonly name: string;
  readonly command: readonly string[];
  readonly interactive: boolean;
  readonly tty: boolean;
  readonly env: readonly string[];
  readonly workdir: string | undefined;
  readonly user: string | undefined;
  readonly timeoutMs: number | undefined;
}
