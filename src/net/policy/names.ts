/** Names of hosts as the DNS has them: lower case, without the dot at the end. */

const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

export function normalName(name: string): string {
  const lower = name.toLowerCase();
  return lower.endsWith(".") ? lower.slice(0, -1) : lower;
}

/** RFC 1123 §2.1, and the underscore that names of services have. */
export function isHostName(name: string): boolean {
  return name.length <= 253 && name.split(".").every((label) => LABEL.test(label));
}

/** Names that the machine's own network answers, and nobody else. */
export const HOST_NAME = "host.smolvm.internal";
