import type { Paths } from "./config/paths.ts";

/**
 * Where and for whom the machine library works. Made once, by the command line or by a program that embeds it, and
 * passed down: nothing below reads the process's environment or its arguments.
 */
export interface Context {
  readonly paths: Paths;
  /** The user's: proxies, docker's configuration, which engine. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Says something to people that no result carries, such as a note about settings; one sentence. */
  readonly note: (text: string) => void;
}
