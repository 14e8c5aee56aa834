import { existsSync } from "node:fs";

/** What smolvm can use and does not carry. */
type Wanted = "qemu" | "qemu-gpu" | "krun-gpu";

interface Manager {
  readonly program: string;
  readonly install: string;
  /** Names of packages, for x86 and arm64 where they differ; what is left out the distribution does not have. */
  readonly packages: Partial<Readonly<Record<Wanted, string>>>;
}

/** Of distributions, by their package managers; the first one found is the host's. */
const managers: readonly Manager[] = [
  {
    program: "/usr/bin/apt-get",
    install: "sudo apt-get install -y",
    packages: {
      qemu: "qemu-system-x86|qemu-system-arm",
      "qemu-gpu": "qemu-system-gui libvirglrenderer1 libegl1 libgl1-mesa-dri",
    },
  },
  {
    program: "/usr/bin/dnf",
    install: "sudo dnf install -y",
    packages: {
      qemu: "qemu-system-x86-core|qemu-system-aarch64-core",
      "qemu-gpu": "qemu-device-display-virtio-gpu-gl qemu-ui-egl-headless virglrenderer mesa-dri-drivers",
      "krun-gpu": "libkrun virglrenderer",
    },
  },
  {
    program: "/usr/bin/pacman",
    install: "sudo pacman -S --noconfirm",
    packages: {
      qemu: "qemu-system-x86|qemu-system-aarch64",
      "qemu-gpu": "qemu-hw-display-virtio-gpu-gl qemu-ui-egl-headless virglrenderer mesa",
      "krun-gpu": "libkrun virglrenderer",
    },
  },
  {
    program: "/usr/bin/zypper",
    install: "sudo zypper install -y",
    packages: {
      qemu: "qemu-x86|qemu-arm",
      "qemu-gpu": "qemu-hw-display-virtio-gpu qemu-ui-opengl libvirglrenderer1 Mesa-dri",
    },
  },
  {
    program: "/sbin/apk",
    install: "sudo apk add",
    packages: {
      qemu: "qemu-system-x86_64|qemu-system-aarch64",
      "qemu-gpu": "qemu-hw-display-virtio-gpu-gl qemu-ui-egl-headless virglrenderer mesa-dri-gallium",
    },
  },
  { program: "/opt/homebrew/bin/brew", install: "brew install", packages: { qemu: "qemu" } },
  { program: "/usr/local/bin/brew", install: "brew install", packages: { qemu: "qemu" } },
];

/** What people read where no package is known. */
const byHand: Readonly<Record<Wanted, string>> = {
  qemu: "install QEMU 7.2 or newer with this system's package manager",
  "qemu-gpu":
    "the device virtio-gpu-gl, the display egl-headless, virglrenderer and Mesa, from this system's packages",
  "krun-gpu": "no package of this system's is known: build it with `make GPU=1`",
};

/** The command that installs it on this host, or what to do where no package is known. */
export function installCommand(
  wanted: Wanted,
  arch: NodeJS.Architecture = process.arch,
  exists: (path: string) => boolean = existsSync,
): string {
  const manager = managers.find(({ program }) => exists(program));
  const packages = manager?.packages[wanted];
  if (manager === undefined || packages === undefined) return byHand[wanted];
  const [x86, arm = x86] = packages.split("|");
  const command = `${manager.install} ${arch === "arm64" ? arm : x86}`;
  return process.getuid?.() === 0 ? command.replace(/^sudo /, "") : command;
}
