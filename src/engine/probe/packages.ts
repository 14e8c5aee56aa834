import { existsSync } from "node:fs";

/** What a distribution calls the package, by its package manager; the first manager found is the host's. */
const managers: readonly { readonly program: string; readonly install: string; readonly qemu: string }[] = [
  {
    program: "/usr/bin/apt-get",
    install: "sudo apt-get install -y",
    qemu: "qemu-system-x86|qemu-system-arm",
  },
  {
    program: "/usr/bin/dnf",
    install: "sudo dnf install -y",
    qemu: "qemu-system-x86-core|qemu-system-aarch64-core",
  },
  {
    program: "/usr/bin/pacman",
    install: "sudo pacman -S --noconfirm",
    qemu: "qemu-system-x86|qemu-system-aarch64",
  },
  { program: "/usr/bin/zypper", install: "sudo zypper install -y", qemu: "qemu-x86|qemu-arm" },
  { program: "/sbin/apk", install: "sudo apk add", qemu: "qemu-system-x86_64|qemu-system-aarch64" },
  { program: "/opt/homebrew/bin/brew", install: "brew install", qemu: "qemu|qemu" },
  { program: "/usr/local/bin/brew", install: "brew install", qemu: "qemu|qemu" },
];

/** The command that installs QEMU on this host. */
export function installCommand(
  _package: "qemu",
  arch: NodeJS.Architecture = process.arch,
  exists: (path: string) => boolean = existsSync,
): string {
  const manager = managers.find(({ program }) => exists(program));
  if (manager === undefined) return "install QEMU 7.2 or newer with this system's package manager";
  const [x86, arm] = manager.qemu.split("|");
  const command = `${manager.install} ${arch === "arm64" ? arm : x86}`;
  return process.getuid?.() === 0 ? command.replace(/^sudo /, "") : command;
}
