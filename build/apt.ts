import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { asRoot, cacheRoot, run, say, sha256, sha256File } from "./host.ts";
import { remembered } from "./remember.ts";

/** Debian (or Ubuntu) packages of the release that this machine runs: installed here, or taken apart. */

/** A package at the one version that the machine's package lists offer. */
export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly file: string;
  readonly sha256: string;
}

export interface Distribution {
  /** `Debian` or `Ubuntu`. */
  readonly origin: string;
  /** `bookworm`, `noble`. */
  readonly codename: string;
  /** Path, on every installation of the distribution, of the keys that its archive is signed with. */
  readonly keyring: string;
}

/** The distribution of this machine. @throws Error when it is neither Debian nor Ubuntu. */
export function distribution(): Distribution {
  const text = existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "";
  const field = (name: string) => text.match(new RegExp(`^${name}="?([^"\n]*)`, "m"))?.[1] ?? "";
  const id = field("ID");
  const codename = field("VERSION_CODENAME");
  if ((id !== "debian" && id !== "ubuntu") || !codename) {
    throw new Error("the guest's system is made from Debian packages: build on Debian or Ubuntu");
  }
  const keyring = `/usr/share/keyrings/${id}-archive-keyring.gpg`;
  return { origin: id === "debian" ? "Debian" : "Ubuntu", codename, keyring };
}

/** Installs what is missing of these packages on this machine. */
export async function ensureInstalled(names: readonly string[], why: string): Promise<void> {
  const missing: string[] = [];
  for (const name of names) if (!(await isInstalled(name))) missing.push(name);
  if (missing.length > 0) await installNewest(missing, why);
}

/** Installs these packages, or brings them up to date. */
export async function installNewest(names: readonly string[], why: string): Promise<void> {
  say(`installing ${names.join(" ")} with apt (${why})`);
  const install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", ...lockOptions, ...names];
  await withLists(() => run(asRoot(["env", "DEBIAN_FRONTEND=noninteractive", ...install])));
}

/** Waits for another apt instead of failing. */
const lockOptions = ["-o", "DPkg::Lock::Timeout=600"];

async function isInstalled(name: string): Promise<boolean> {
  const query = Bun.spawn(["dpkg-query", "-W", "-f", "\u0024{db:Status-Abbrev}", name], {
    stdout: "pipe",
    stderr: "ignore",
  });
  return (await new Response(query.stdout).text()).startsWith("ii");
}

let updated: Promise<string> | undefined;

/** Fetches the package lists, once per build. */
export function updateLists(): Promise<string> {
  updated ??= run(asRoot(["apt-get", "update", "-qq", ...lockOptions]));
  return updated;
}

/** Runs `work`; a failure may come from package lists that are absent or out of date, so once more with new ones. */
export async function withLists<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch {
    say("fetching the package lists (apt-get update)");
    await updateLists();
    return await work();
  }
}

/** A package that the lists name is no longer on the mirror. */
class StaleLists extends Error {}

/** Runs `work`, which extracts packages; once more with new package lists if the present ones are out of date. */
export async function withFreshLists<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof StaleLists)) throw error;
    say("fetching the package lists (apt-get update)");
    await updateLists();
    return await work();
  }
}

/**
 * The machine's own sources of its distribution, as one-line entries for sources.list(5): no third party's, no
 * backports, no proposed updates.
 */
export function distributionSources(): Promise<string[]> {
  return remembered(["sources", thisFile()], () => withLists(readSources));
}

/** Answers are remembered for as long as the code is the same that asked. */
const thisFile = () => readFileSync(import.meta.path, "utf8");

async function readSources(): Promise<string[]> {
  const { origin, codename, keyring } = distribution();
  const format = "$(ORIGIN)|$(CODENAME)|$(SITE)|$(RELEASE)|$(COMPONENT)";
  const targets = await run(["apt-get", "indextargets", "--format", format, "Created-By: Packages"]);
  const components = new Map<string, Set<string>>();
  for (const line of targets.split("\n")) {
    const [from, release, site, suite, component] = line.split("|");
    if (from !== origin || !site || !suite || !component) continue;
    if (release !== codename && !release?.startsWith(`${codename}-`)) continue;
    if (/backports|proposed/.test(suite) || !/^https?:/.test(site)) continue;
    const key = `${site} ${suite}`;
    components.set(key, (components.get(key) ?? new Set()).add(component));
  }
  if (components.size === 0) throw new Error(`apt has no source of ${origin} ${codename} over http`);
  return [...components].map(([key, names]) => `deb [signed-by=${keyring}] ${key} ${[...names].join(" ")}`);
}

/** Options that make apt look at these sources only, and at nothing installed here. */
function isolatedOptions(sources: readonly string[]): string[] {
  const directory = `${cacheRoot()}/apt`;
  mkdirSync(directory, { recursive: true });
  const name = `${directory}/${sha256(sources.join("\n")).slice(0, 16)}`;
  const list = `${name}.list`;
  if (!existsSync(list)) writeFileSync(list, `${sources.join("\n")}\n`);
  const options = {
    "Dir::Etc::SourceList": list,
    "Dir::Etc::SourceParts": "/dev/null",
    "Dir::State::Status": "/dev/null",
    "Dir::Cache::pkgcache": `${name}.bin`, // not the machine's own, which is made from more sources
    "Dir::Cache::srcpkgcache": "",
    "Acquire::ForceHash": "SHA256",
    "APT::Sandbox::User": "",
  };
  return Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
}

/** The packages that would be installed on an empty system for these names, dependencies included. */
export function resolvePackages(
  names: readonly string[],
  sources: readonly string[],
): Promise<DebianPackage[]> {
  return remembered(["resolve", names, sources, thisFile()], () => askForPackages(names, sources));
}

async function askForPackages(
  names: readonly string[],
  sources: readonly string[],
): Promise<DebianPackage[]> {
  const options = isolatedOptions(sources);
  const flags = ["--print-uris", "--no-install-recommends", "-y", "-qq"];
  const output = await withLists(() => run(["apt-get", ...options, ...flags, "install", ...names]));
  const packages = [...output.matchAll(/^'[^']*' (\S+) \d+ SHA256:([0-9a-f]{64})$/gm)].map(
    ([, file, hash]) => {
      const [name, version] = (file ?? "").split("_");
      if (!file || !hash || !name || !version) throw new Error(`apt said something unknown: ${file}`);
      return { name, version: decodeURIComponent(version), file, sha256: hash };
    },
  );
  if (packages.length === 0) throw new Error(`apt found nothing to install for ${names.join(" ")}`);
  return packages.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Whether the sources offer a package of this name. */
export function isAvailable(name: string, sources: readonly string[]): Promise<boolean> {
  return remembered(["available", name, sources, thisFile()], () => askForPackage(name, sources));
}

async function askForPackage(name: string, sources: readonly string[]): Promise<boolean> {
  try {
    await run(["apt-cache", ...isolatedOptions(sources), "show", "--no-all-versions", name]);
    return true;
  } catch {
    return false;
  }
}

/** Downloads packages and checks them; their files, in the same order. To be called in `withFreshLists`. */
export async function downloadPackages(
  packages: readonly DebianPackage[],
  sources: readonly string[],
): Promise<string[]> {
  const store = `${cacheRoot()}/debs`;
  mkdirSync(store, { recursive: true });
  const wanted = packages.filter(({ file }) => !existsSync(`${store}/${file}`));
  if (wanted.length > 0) {
    say(`downloading ${wanted.map(({ name }) => name).join(" ")}`);
    const names = wanted.map(({ name, version }) => `${name}=${version}`);
    const command = ["apt-get", ...isolatedOptions(sources), "-qq", "download", ...names];
    await run(command, { cwd: store }).catch((cause) => {
      throw new StaleLists(`downloading packages failed: ${cause.message}`);
    });
  }
  for (const { file, sha256: expected } of packages)
    if ((await sha256File(`${store}/${file}`)) !== expected)
      throw new Error(`${store}/${file} is not the package apt described: delete it`);
  return packages.map(({ file }) => `${store}/${file}`);
}

/** Downloads packages, checks them, and unpacks their files into one directory. To be called in `withFreshLists`. */
export async function extractPackages(
  packages: readonly DebianPackage[],
  sources: readonly string[],
  directory: string,
): Promise<void> {
  for (const path of await downloadPackages(packages, sources))
    await run(["dpkg-deb", "-x", path, directory]);
}
