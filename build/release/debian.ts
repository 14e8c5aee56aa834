import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { gzipSync } from "node:zlib";
import { EPOCH_SECONDS, run } from "../host.ts";
import type { ReleaseFile } from "./contents.ts";

/**
 * A Debian package of a release (Debian Policy; deb-control(5)), for dpkg 1.21.18 and newer, which reads zstd: Debian 12,
 * Ubuntu 22.04. As xz it is 6 % smaller and takes a minute and a half to make. Needs dpkg-deb.
 */

const DESCRIPTION = `boots any container image as a microVM from one file
 Runs each command in a virtual machine of its own, with its own kernel: images
 of any registry, in well under a second, without a daemon. Machines that last,
 networks with rules, folders, secrets and packs for other hosts.`;

const MAINTAINER = "the smolvm project <smolvm@localhost>";

/** What lintian finds and is meant to be so, with the reason; `docs/install.md` has what is left. */
const OVERRIDES = `# Bun's own program, which smolvm's is appended to: stripping it would cut that off.
smolvm: unstripped-binary-or-object [usr/bin/smolvm]
smolvm: hardening-no-pie [usr/bin/smolvm]
smolvm: hardening-no-relro [usr/bin/smolvm]
smolvm: embedded-library *
# It runs where there is nothing else: in front of packs, on hosts without smolvm.
smolvm: statically-linked-binary [usr/lib/smolvm/launcher]
# The texts of all that the program contains, also on systems without /usr/share/common-licenses.
smolvm: copyright-file-contains-full-gpl-license
smolvm: copyright-file-contains-full-apache-2-license
# self-update asks whether a package owns the program, and leaves it alone then.
smolvm: uses-dpkg-database-directly [usr/bin/smolvm]
`;

export interface DebianOptions {
  readonly version: string;
  /** Debian's name of the processor: `amd64`, `arm64`. */
  readonly architecture: string;
}

/** Writes the package to `output`; `scratch` is a directory that does not exist and will not. */
export async function debianPackage(
  files: readonly ReleaseFile[],
  { version, architecture }: DebianOptions,
  output: string,
  scratch: string,
): Promise<void> {
  const write = (path: string, content: string | Uint8Array, mode = 0o644) => {
    mkdirSync(dirname(`${scratch}/${path}`), { recursive: true });
    writeFileSync(`${scratch}/${path}`, content);
    chmodSync(`${scratch}/${path}`, mode);
  };
  try {
    for (const file of files) {
      const { path, content } = asDebian(file);
      write(`usr/${path}`, content, file.mode);
    }
    write("usr/share/doc/smolvm/changelog.gz", gzipSync(changelog(version), { level: 9 }));
    write("usr/share/lintian/overrides/smolvm", OVERRIDES);
    const size = files.reduce((sum, { content }) => sum + Math.ceil(content.length / 1024), 0);
    write("DEBIAN/control", await control(version, architecture, size, `${scratch}/usr/bin/smolvm`));
    await run(["dpkg-deb", "--root-owner-group", "-Zzstd", "-z12", "--build", scratch, output], {
      env: { SOURCE_DATE_EPOCH: String(EPOCH_SECONDS) },
    });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Where Debian has it: man pages and what has changed compressed, the licences as `copyright`, zsh's as a vendor's. */
function asDebian({ path, content }: ReleaseFile): { path: string; content: Uint8Array } {
  const gzipped = () => gzipSync(content, { level: 9 });
  if (path.startsWith("share/man/")) return { path: `${path}.gz`, content: gzipped() };
  if (path.endsWith("/CHANGELOG.md")) return { path: `${path}.gz`, content: gzipped() };
  if (path.endsWith("/LICENCES.txt")) return { path: "share/doc/smolvm/copyright", content };
  return { path: path.replace("share/zsh/site-functions/", "share/zsh/vendor-completions/"), content };
}

/** In the form of deb-changelog(5); what has changed is in CHANGELOG.md.gz, for all platforms. */
function changelog(version: string): string {
  const date = new Date(EPOCH_SECONDS * 1000).toUTCString().replace("GMT", "+0000");
  return `smolvm (${version}) unstable; urgency=medium\n\n  * See CHANGELOG.md.gz.\n\n -- ${MAINTAINER}  ${date}\n`;
}

async function control(version: string, architecture: string, kibibytes: number, program: string) {
  return `Package: smolvm
Version: ${version}
Architecture: ${architecture}
Maintainer: ${MAINTAINER}
Installed-Size: ${kibibytes}
Depends: libc6 (>= ${await oldestLibc(program)})
Recommends: ca-certificates, qemu-system-x86 | qemu-system-arm
Section: admin
Priority: optional
Description: ${DESCRIPTION}
`;
}

/** The oldest glibc that has every symbol which the program asks for. */
async function oldestLibc(program: string): Promise<string> {
  const references = await run(["objdump", "-p", program]);
  const versions = [...references.matchAll(/\bGLIBC_(\d+)\.(\d+)/g)].map(([, major, minor]) => [
    Number(major),
    Number(minor),
  ]);
  const newest = versions.sort(([a = 0, b = 0], [c = 0, d = 0]) => c - a || d - b)[0];
  if (newest === undefined) throw new Error(`${program} asks for no version of glibc`);
  return newest.join(".");
}
