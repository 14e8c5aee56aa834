import { closeSync, existsSync, mkdirSync, openSync, truncateSync } from "node:fs";
import { distribution, distributionSources } from "../../build/apt.ts";
import { run } from "../../build/host.ts";
import { part } from "../../build/parts.ts";
import { prebuiltKernel } from "../../recipes/kernel/prebuilt.ts";
import { unpackRoot } from "./packages.ts";

/** What the lab is made of, each made once and kept in the build's cache. */
export interface LabParts {
  /** The command that starts QEMU, with what its surroundings need. */
  readonly qemu: { readonly command: readonly string[]; readonly env: Record<string, string> };
  /** PVH-bootable kernel with KVM for AMD, virtio-mmio and ext4 in it: the prebuilt one (ours has no KVM). */
  readonly kernel: string;
  /** ext4 image of the inside's root. */
  readonly root: string;
}

/** Older ones enter a nested guest and never come back: the emulation of AMD's nested paging loops. */
const FIRST_GOOD_QEMU = 9;

/** A release of Debian with such a QEMU, for hosts that have none. */
const QEMU_RELEASE = "trixie";

/** What decides, beside the pins, how roots come out. */
const packages = `${import.meta.dir}/packages.ts`;

const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;

/** Finds or makes everything. */
export async function labParts(): Promise<LabParts> {
  if (process.arch !== "x64") {
    throw new Error("the lab emulates an x86-64 machine for the x86-64 build; this is another");
  }
  return {
    qemu: await qemu(),
    kernel: `${await prebuiltKernel()}/kernel`,
    root: `${await insideRoot()}/root.ext4`,
  };
}

async function qemu(): Promise<LabParts["qemu"]> {
  if ((await installedQemu()) >= FIRST_GOOD_QEMU) return { command: ["qemu-system-x86_64"], env: {} };
  const directory = await part("lab-qemu", { recipe: packages, pins: QEMU_RELEASE }, async (out) => {
    await unpackRoot(["qemu-system-x86"], [`${await debianArchive()} ${QEMU_RELEASE} main`], out);
  });
  // Its own dynamic loader starts it with its own libraries: no chroot, so no root is needed.
  const usr = `${directory}/root/usr`;
  const libraries = `${usr}/lib/x86_64-linux-gnu`;
  return {
    command: [
      `${usr}/lib64/ld-linux-x86-64.so.2`,
      "--library-path",
      libraries,
      `${usr}/bin/qemu-system-x86_64`,
      "-L",
      `${usr}/share/qemu`,
      "-L",
      `${usr}/share/seabios`,
    ],
    env: { QEMU_MODULE_DIR: `${libraries}/qemu` },
  };
}

/** Major version of the host's own QEMU; 0 when there is none. */
async function installedQemu(): Promise<number> {
  if (Bun.which("qemu-system-x86_64") === null) return 0;
  return Number((await run(["qemu-system-x86_64", "--version"])).match(/version (\d+)/)?.[1] ?? 0);
}

/** `deb [options] ADDRESS` of a Debian archive: this machine's own, or the one that SMOLVM_LAB_DEBIAN names. */
async function debianArchive(): Promise<string> {
  const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
  const { origin } = distribution();
  const own = origin === "Debian" ? (await distributionSources()).map((line) => line.split(" ")[2]) : [];
  const address = process.env.SMOLVM_LAB_DEBIAN ?? own.find((site) => !site?.includes("security"));
  if (address === undefined || !existsSync(keyring)) {
    throw new Error(
      `the lab needs QEMU ${FIRST_GOOD_QEMU} or newer (package qemu-system-x86); this ${origin} release has an older one. ` +
        "To take it from Debian, install debian-archive-keyring and set SMOLVM_LAB_DEBIAN to a Debian archive's address",
    );
  }
  return `deb [signed-by=${keyring}] ${address}`;
}

/** Programs that tests use inside, and what an administrator looks for first when something fails there. */
const INSIDE = [
  "bash",
  "coreutils",
  "diffutils",
  "findutils",
  "grep",
  "iproute2",
  "mount",
  "util-linux",
  "procps",
  "strace",
  "tar",
];
const SIZE_MIB = 1024;

async function insideRoot(): Promise<string> {
  const sources = await distributionSources();
  const init = `${import.meta.dir}/init`;
  const pins = { sources, INSIDE, init: await Bun.file(init).text() };
  return await part("lab-root", { recipe: packages, pins }, async (out) => {
    await unpackRoot(INSIDE, sources, out);
    const root = `${out}/root`;
    for (const name of ["dev", "proc", "sys", "tmp", "run", "root", "project"])
      mkdirSync(`${root}/${name}`, { recursive: true });
    await Bun.write(`${root}/etc/passwd`, "root:x:0:0:root:/root:/bin/bash\n");
    await Bun.write(`${root}/etc/group`, "root:x:0:\n");
    await run(["install", "-m", "755", init, `${root}/lab-init`]);
    await makeExt4(root, `${out}/root.ext4`, SIZE_MIB);
    await run(["rm", "-r", root]);
  });
}

/** Makes an ext4 image that holds a copy of a directory; a sparse file of `sizeMib`. */
export async function makeExt4(directory: string, image: string, sizeMib: number): Promise<void> {
  closeSync(openSync(image, "wx", 0o600));
  truncateSync(image, sizeMib * 1024 * 1024);
  const options = ["-q", "-F", "-t", "ext4", "-O", "^has_journal", "-E", "root_owner=0:0"];
  await run(["mke2fs", ...options, "-d", directory, image], { env: { PATH } });
}
