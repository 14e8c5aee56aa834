import { accessSync, constants, statSync } from "node:fs";
import { SmolError } from "../../errors.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const names: Partial<Record<NodeJS.Architecture, string>> = {
  x64: "qemu-system-x86_64",
  arm64: "qemu-system-aarch64",
};

/** Name of the emulator of this host's architecture. */
export function qemuName(arch: NodeJS.Architecture = process.arch): string {
  return names[arch] ?? `qemu-system-${arch}`;
}

export interface QemuBinary {
  readonly path: string;
  /** Changes when the file does: size and modification time. */
  readonly stamp: string;
}

/**
 * Finds QEMU: `SMOLVM_QEMU`, else the first one in PATH.
 *
 * @returns undefined when PATH has none
 * @throws SmolError `engine.bad_qemu` when SMOLVM_QEMU names something else than an executable file
 */
export function findQemu(env: Environment): QemuBinary | undefined {
  const override = env.SMOLVM_QEMU;
  if (override) {
    const found = executable(override);
    if (found && override.startsWith("/")) return found;
    throw new SmolError("engine.bad_qemu", `SMOLVM_QEMU is not an executable file: ${override}`, {
      hint: `set it to the absolute path of ${qemuName()}, or unset it`,
    });
  }
  for (const directory of (env.PATH ?? "").split(":")) {
    // A relative entry would make what runs depend on the current directory.
    const found = directory.startsWith("/") ? executable(`${directory}/${qemuName()}`) : undefined;
    if (found) return found;
  }
  return undefined;
}

function executable(path: string): QemuBinary | undefined {
  try {
    const status = statSync(path);
    if (!status.isFile()) return undefined;
    accessSync(path, constants.X_OK);
    return { path, stamp: `${status.size}:${status.mtimeMs}` };
  } catch {
    return undefined;
  }
}
