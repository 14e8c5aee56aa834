import { distribution } from "../../build/apt.ts";
import { asRoot, EPOCH_SECONDS, run, say } from "../../build/host.ts";

/** Puts a root filesystem together from Debian packages, with mmdebstrap, as a tar archive. */

/** Left out of every package, now and when the guest installs more: the rule of Debian's own slim images. */
const excluded = ["doc/*", "info/*", "locale/*", "man/*", "groff/*", "lintian/*", "linda/*"];

/** Runs in the finished tree: removes what came from this machine or differs from run to run. */
const finish = [
  'rm -f "$1/etc/hostname" "$1/etc/resolv.conf"', // copied from this machine
  'rm -rf "$1"/var/cache/apt/* "$1"/var/cache/ldconfig/* "$1"/var/cache/debconf/*-old "$1"/var/lib/dpkg/*-old',
  'find "$1/var/log" -type f -delete',
  ': >"$1/etc/machine-id"', // a first boot makes its own
  // Packages that bring a daemon must not start it while they are installed: there is no init in the guest's root.
  'printf "#!/bin/sh\\nexit 101\\n" >"$1/usr/sbin/policy-rc.d" && chmod 755 "$1/usr/sbin/policy-rc.d"',
];

/** For the name of the part that is made here. */
export const bootstrapRecipe = import.meta.path;

/**
 * Writes `directory/base.tar`: the essential packages, apt and `names`. Needs root for the owners of files, and
 * mounts /proc and /sys for the packages' scripts inside a mount namespace of its own, which this machine never sees.
 */
export async function bootstrap(
  directory: string,
  names: readonly string[],
  sources: readonly string[],
): Promise<void> {
  const { codename } = distribution();
  say(`base: putting ${codename} together with mmdebstrap`);
  const options = [
    "--mode=root",
    "--variant=apt",
    "--format=tar",
    `--include=${names.join(",")}`,
    "--hook-dir=/usr/share/mmdebstrap/hooks/maybe-merged-usr",
    ...excluded.map((pattern) => `--dpkgopt=path-exclude=/usr/share/${pattern}`),
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    ...finish.map((command) => `--customize-hook=${command}`),
  ];
  const output = `${directory}/base.tar`;
  const bare = [
    "env",
    `SOURCE_DATE_EPOCH=${EPOCH_SECONDS}`,
    "mmdebstrap",
    ...options,
    codename,
    output,
    ...sources,
  ];
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
