import { existsSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { run, testCache } from "./tools.ts";

/**
 * A Debian root as an archive (PAX, about 200 MB, 6,000 files), made once by debootstrap and kept. Only its first
 * stage runs, which downloads and unpacks packages: it mounts nothing and runs nothing of the new system.
 */
export function debianArchive(): string {
  const kept = join(testCache(), "debian-bookworm-minbase-2.tar");
  if (existsSync(kept)) return kept;
  const work = mkdtempSync(join(testCache(), "making-"));
  try {
    const root = join(work, "root");
    run(["debootstrap", "--foreign", "--variant=minbase", "bookworm", root, ...mirror()]);
    addOddities(root);
    const archive = join(work, "archive.tar");
    run(["tar", "--create", `--file=${archive}`, `--directory=${root}`, ...everything, "."]);
    renameSync(archive, kept);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return kept;
}

const everything = [
  "--format=posix",
  "--numeric-owner",
  "--xattrs",
  "--xattrs-include=*",
  "--sparse",
  "--sort=name",
];

/** The mirror that this machine uses for its own packages, if it is a Debian. */
function mirror(): string[] {
  try {
    const sites = run(["apt-get", "indextargets", "--format", "$(SITE) $(CODENAME)"]).split("\n");
    const site = sites.find((line) => /\/debian\/? bookworm$/.test(line))?.split(" ")[0];
    return site === undefined ? [] : [site];
  } catch {
    return [];
  }
}

/** What a plain installation lacks: capabilities, hard links, sparse files, devices, odd names. */
function addOddities(root: string): void {
  const script = `
    # Inside containers, debootstrap makes links to the host's directories.
    for name in dev proc sys; do [ ! -L $name ] || { rm $name; mkdir $name; }; done
    mkdir -p odd/many
    setcap cap_net_raw+ep usr/bin/perl 2>/dev/null || setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 usr/bin/perl
    setfattr -n user.comment -v "two words" etc/debian_version
    ln etc/debian_version odd/hard
    truncate -s 20M odd/sparse && printf middle | dd of=odd/sparse bs=1 seek=10000000 conv=notrunc status=none
    mknod odd/block b 8 300; mknod odd/character c 5 1; mkfifo -m 600 odd/fifo
    printf x > "odd/$(printf '\\377\\376 \\n')"
    for n in $(seq 400); do : > "odd/many/$(printf "%0$((n % 200 + 5))d" "$n")"; done
    chmod 6755 odd/hard; chmod 1777 odd; touch -d @-1.5 odd/fifo; touch -h -d @4102444800.999999999 odd/sparse
  `;
  run(["sh", "-ec", script], { cwd: root });
}
