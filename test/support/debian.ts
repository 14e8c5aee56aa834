import {
  distribution,
  distributionSources,
  ensureInstalled,
  isAvailable,
  resolvePackages,
} from "../../build/apt.ts";
import { asRoot, EPOCH_SECONDS, run, say } from "../../build/host.ts";
import { part } from "../../build/parts.ts";

/** Left out of every package: the rule of Debian's own slim images. */
const excluded = ["doc/*", "info/*", "locale/*", "man/*", "groff/*", "lintian/*", "linda/*"];

/** Run in the finished tree: what came from this machine goes. */
const finish = [
  'rm -f "$1/etc/hostname" "$1/etc/resolv.conf"',
  'rm -rf "$1"/var/cache/apt/* "$1"/var/cache/ldconfig/*',
  ': >"$1/etc/machine-id"',
];

/**
 * Path of an archive of a root filesystem: the build machine's own release of Debian (or Ubuntu), its essential
 * packages and apt, with `packages` installed. Put together once by mmdebstrap and kept in the build cache.
 */
export async function debianImage(packages: readonly string[] = []): Promise<string> {
  await ensureInstalled(["mmdebstrap"], "puts a Debian image together");
  const sources = await distributionSources();
  // A merged /usr needs no tool to merge it, which would bring all of Perl.
  const merged = (await isAvailable("usr-is-merged", sources)) ? ["usr-is-merged"] : [];
  const names = [...packages, ...merged];
  const resolved = await resolvePackages(["?essential", "apt", ...names], sources);
  const pins = { sources, names, packages: resolved.map(({ sha256 }) => sha256) };
  const made = await part("test-debian", { recipe: import.meta.path, pins }, (out) =>
    bootstrap(`${out}/debian.tar`, names, sources),
  );
  return `${made}/debian.tar`;
}

/**
 * Needs root for owners of files; /proc and /sys for packages' scripts are mounted where this machine never
 * sees them.
 */
async function bootstrap(
  output: string,
  names: readonly string[],
  sources: readonly string[],
): Promise<void> {
  const { codename } = distribution();
  say(`test image: putting ${codename} together with mmdebstrap`);
  const options = [
    "--mode=root",
    "--variant=apt",
    "--format=tar",
    `--include=${names.join(",")}`,
    "--hook-dir=/usr/share/mmdebstrap/hooks/maybe-merged-usr",
    ...excluded.map((pattern) => `--dpkgopt=path-exclude=/usr/share/${pattern}`),
    ...finish.map((command) => `--customize-hook=${command}`),
  ];
  const command = ["mmdebstrap", ...options, codename, output, ...sources];
  const bare = ["env", `SOURCE_DATE_EPOCH=${EPOCH_SECONDS}`, ...command];
  const isolated = ["unshare", "--mount", "--propagation", "private", ...bare];
  await run(asRoot((await mayUnshare()) ? isolated : bare));
}

/** Containers without CAP_SYS_ADMIN may neither unshare nor mount; mmdebstrap then does without mounts. */
async function mayUnshare(): Promise<boolean> {
  try {
    await run(asRoot(["unshare", "--mount", "true"]));
    return true;
  } catch {
    return false;
  }
}
