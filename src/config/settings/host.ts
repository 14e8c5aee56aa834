/** Names that all mean Docker Hub. `https://index.docker.io/v1/` is its key in docker's own files. */
const DOCKER_HUB = new Set([
  "docker.io",
  "index.docker.io",
  "registry-1.docker.io",
  "registry.hub.docker.com",
]);

/** A name, an IPv4 address or an IPv6 one in brackets, with a port or without. */
const HOST = /^(?:[a-z0-9](?:[a-z0-9_.-]{0,253}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?$/;

/**
 * The one spelling of a registry's host: lower case, without scheme, path and slashes, `docker.io` for all names of
 * Docker Hub. `https://index.docker.io/v1/` is `docker.io`, `HTTPS://Example.com:5000/` is `example.com:5000`.
 *
 * @returns undefined when the text names no host
 */
export function registryHost(text: string): string | undefined {
  const host = text
    .toLowerCase()
    .replace(/^https?:\/\//, "")
    .replace(/\/.*$/s, "");
  if (!HOST.test(host)) return undefined;
  return DOCKER_HUB.has(host) ? "docker.io" : host;
}
