import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, SmolError } from "../../errors.ts";

/** Where distributions keep all authorities in one file: Debian, Fedora, openSUSE, RHEL, Alpine. */
const bundles = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/** A file of certificates; the largest bundles in use have 300 KiB. */
const MAX_FILE = 4 * 1024 * 1024;
const MAX_FILES = 2000;

type Environment = Readonly<Record<string, string | undefined>>;

/** The authorities of this system, one PEM block each; those that Bun brings where the system has none. */
export async function systemCertificates(): Promise<string[]> {
  if (process.platform === "linux") {
    for (const path of bundles) {
      const blocks = certificateBlocks((await readSmall(path)) ?? "");
      if (blocks.length > 0) return blocks;
    }
  }
  const { getCACertificates, rootCertificates } = await import("node:tls");
  const system = process.platform === "linux" ? [] : getCACertificates("system");
  return system.length > 0 ? system : [...rootCertificates];
}

/**
 * What is trusted besides: `ca_file`, SSL_CERT_FILE, SSL_CERT_DIR, NODE_EXTRA_CA_CERTS (Bun heeds it everywhere else),
 * and the directories that docker and podman have for single registries.
 *
 * @param known is extended.
 */
export async function extraCertificates(
  options: { readonly registry: string; readonly caFile: string | undefined; readonly env: Environment },
  known: Set<string>,
): Promise<string[]> {
  const { registry, caFile, env } = options;
  const extra: string[] = [];
  const add = async (text: string): Promise<boolean> => {
    const blocks = certificateBlocks(text);
    for (const block of blocks) {
      if (known.has(block)) continue;
      if (!(await isCertificate(block))) return false;
      known.add(block);
      extra.push(block);
    }
    return blocks.length > 0;
  };
  const mustAdd = async (source: string, path: string) => {
    const text = await readSmall(path);
    if (text !== undefined && (await add(text))) return;
    const problem = text === undefined ? "cannot be read" : "has no usable certificate";
    const hint = "it must be a file in PEM format";
    throw new SmolError("registry.tls", `${path} (${source}) ${problem}`, { hint });
  };
  const named = [
    ["ca_file", caFile],
    ["SSL_CERT_FILE", env.SSL_CERT_FILE],
  ] as const;
  for (const [source, path] of named) if (path !== undefined && path !== "") await mustAdd(source, path);
  for (const directory of certificateDirectories(registry, env)) {
    for (const path of await filesIn(directory, /\.crt$/)) await mustAdd("of this registry", path);
  }
  for (const directory of (env.SSL_CERT_DIR ?? "").split(":").filter((path) => path !== "")) {
    // Whole directories hold other things too.
    const paths = await filesIn(directory, /\.(pem|crt|cer|\d+)$/);
    for (const path of paths) await add((await readSmall(path)) ?? "");
  }
  if (env.NODE_EXTRA_CA_CERTS) await add((await readSmall(env.NODE_EXTRA_CA_CERTS)) ?? "");
  return extra;
}

/** One block that cannot be read would make fetch refuse every connection. */
async function isCertificate(block: string): Promise<boolean> {
  const { X509Certificate } = await import("node:crypto");
  try {
    return new X509Certificate(block).raw.length > 0;
  } catch {
    return false;
  }
}

/** `client.cert` and `client.key`: who we are, for registries that ask (docker's and podman's directories). */
export async function clientCertificate(
  registry: string,
  env: Environment,
): Promise<{ cert: string; key: string } | undefined> {
  for (const directory of certificateDirectories(registry, env)) {
    for (const path of await filesIn(directory, /\.cert$/)) {
      const cert = await readSmall(path);
      const key = await readSmall(`${path.slice(0, -".cert".length)}.key`);
      if (cert !== undefined && key !== undefined) return { cert, key };
    }
  }
  return undefined;
}

/** Directories of docker and podman for one registry, the user's own first. */
export function certificateDirectories(registry: string, env: Environment): string[] {
  // The name becomes a path; references are checked, and this is the last place to notice if one was not.
  if (!/^[A-Za-z0-9[][A-Za-z0-9.\-[\]:]*$/.test(registry)) return [];
  const home = env.HOME || undefined;
  const config = env.XDG_CONFIG_HOME || (home === undefined ? undefined : join(home, ".config"));
  const roots = [
    home === undefined ? undefined : join(home, ".docker"),
    config === undefined ? undefined : join(config, "docker"),
    config === undefined ? undefined : join(config, "containers"),
    "/etc/docker",
    "/etc/containers",
  ];
  return roots.filter((root) => root !== undefined).map((root) => join(root, "certs.d", registry));
}

export function certificateBlocks(text: string): string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

async function filesIn(directory: string, pattern: RegExp): Promise<string[]> {
  try {
    const names = await readdir(directory);
    const wanted = names.filter((name) => pattern.test(name)).sort();
    return wanted.slice(0, MAX_FILES).map((name) => join(directory, name));
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return [];
  }
}

/** The text of a file; undefined when there is none, it cannot be read or is too large. */
async function readSmall(path: string): Promise<string | undefined> {
  try {
    const file = Bun.file(path);
    return file.size > MAX_FILE ? undefined : await file.text();
  } catch {
    return undefined;
  }
}
