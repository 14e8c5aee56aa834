import { expect, test } from "bun:test";
import { installCommand } from "./packages.ts";

/** Without sudo: who runs the tests must not matter. */
const command = (program: string, arch: NodeJS.Architecture) =>
  installCommand("qemu", arch, (path) => path === program).replace(/^sudo /, "");

test("names the package as each distribution does", () => {
  expect(command("/usr/bin/apt-get", "x64")).toBe("apt-get install -y qemu-system-x86");
  expect(command("/usr/bin/apt-get", "arm64")).toBe("apt-get install -y qemu-system-arm");
  expect(command("/usr/bin/dnf", "x64")).toBe("dnf install -y qemu-system-x86-core");
  expect(command("/usr/bin/pacman", "arm64")).toBe("pacman -S --noconfirm qemu-system-aarch64");
  expect(command("/opt/homebrew/bin/brew", "arm64")).toBe("brew install qemu");
  expect(command("/nowhere", "x64")).toBe("install QEMU 7.2 or newer with this system's package manager");
});
