import type { TomlPath } from "../toml/index.ts";

/** Something that is not right in a Smolfile. */
export interface Problem {
  readonly code:
    | "smolfile.unknown_key"
    | "smolfile.bad_value"
    | "smolfile.unavailable"
    | "smolfile.no_mount_source";
  readonly path: TomlPath;
  readonly message: string;
  readonly hint?: string | undefined;
}
