import { registryHost } from "../../config/index.ts";

/** docker's name for Docker Hub, in its files and towards credential helpers. */
const DOCKER_HUB_SERVER = "https://index.docker.io/v1/";

/**
 * What a key of `auths` stands for: a host, or (podman) a host and the beginning of a repository, `ghcr.io/team`.
 * docker writes hosts, addresses (`https://host/v1/`), and its own `https://index.docker.io/v1/`.
 *
 * @returns undefined for a key that names no registry
 */
export function scopeOfKey(key: string): string | undefined {
  const host = registryHost(key);
  if (host === undefined) return undefined;
  const isAddress = /^https?:\/\//i.test(key);
  const path = isAddress ? "" : key.replace(/^[^/]*/, "").replace(/\/+$/, "");
  // `/v1` and `/v2` are paths of the protocol.
  return path === "/v1" || path === "/v2" ? host : host + path;
}

/** The scopes that a repository lies in, the narrowest first: `r/a/b`, `r/a`, `r`. */
export function scopesOf(registry: string, repository: string | undefined): string[] {
  const host = registryHost(registry) ?? registry.toLowerCase();
  const parts = repository === undefined ? [] : repository.split("/");
  const narrow = parts.map((_, index) => [host, ...parts.slice(0, parts.length - index)].join("/"));
  return [...narrow, host];
}

/** How credential helpers are asked for a registry. */
export function serverOf(registry: string): string {
  const host = registryHost(registry) ?? registry;
  return host === "docker.io" ? DOCKER_HUB_SERVER : host;
}
