/**
 * What a VM's process may do on macOS: a profile for its sandbox. It says what is denied, and lets all else pass: what
 * Hypervisor.framework and the loader need of the system is written down nowhere. The last rule that matches counts.
 */

import { realPath } from "./real-path.ts";
import type { AllowedPath, ConfinedProgram } from "./types.ts";

/** Where files of users and of other programs are; the system's own may be read. */
const OF_USERS = [
  "/Users",
  "/Volumes",
  "/private/var/root",
  "/private/tmp",
  "/private/var/folders",
  "/Library/Keychains",
];

/** The profile of a VM. @throws Error when a path that has to be there is not */
export function seatbeltProfile({ command, paths, sockets }: ConfinedProgram): string {
  const [program] = command;
  const files = paths.flatMap((one) => {
    const source = realPath(one);
    return source === undefined ? [] : [...new Set([one.path, source])].map((path) => ({ ...one, path }));
  });
  const readable = files.map(({ path }) => subpath(path));
  const writable = files.filter(({ rights }) => isWritable(rights)).map(({ path }) => subpath(path));
  const reached = sockets.map(({ path }) => `(remote unix-socket (path-literal ${quoted(real(path))}))`);
  return [
    "(version 1)",
    "(allow default)",
    rule("deny", "file-read-data file-read-xattr", OF_USERS.map(subpath)),
    rule("allow", "file-read-data file-read-xattr", readable),
    "(deny file-write*)",
    rule("allow", "file-write-data", [...writable, '(literal "/dev/null")', '(subpath "/dev/fd")']),
    "(deny network*)",
    rule("allow", "network-outbound", reached),
    "(deny process-fork)",
    "(deny process-exec*)",
    rule("allow", "process-exec*", [`(literal ${quoted(real(program))})`]),
    "(deny signal (target others))",
    "(deny process-info* (target others))",
    "(deny mach-priv-task-port)",
    "(deny job-creation)",
    "(deny system-privilege)",
    "",
  ].join("\n");
}

const isWritable = (rights: AllowedPath["rights"]): boolean =>
  rights === "write" || rights === "writableShare";

/** One without a filter would be about everything. */
const rule = (action: "allow" | "deny", operations: string, filters: readonly string[]): string =>
  filters.length === 0 ? "" : `(${action} ${operations}\n  ${filters.join("\n  ")})`;

const subpath = (path: string): string => `(subpath ${quoted(path)})`;

const real = (path: string): string => realPath({ path, rights: "read", optional: true }) ?? path;

/** A text of the language's, which has no escapes but these. */
const quoted = (path: string): string => `"${path.replace(/["\\]/g, "\\$&")}"`;
