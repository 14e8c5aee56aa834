import { accessSync, constants, readFileSync, statfsSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import { errnoOf } from "../../errors.ts";

/** The host as far as it decides what smolvm can do. */
export interface HostReport {
  readonly os: string;
  readonly arch: string;
  readonly kernel: string;
  /** Pretty name of the distribution, or of the system. */
  readonly system: string;
  readonly cpu: string;
  /** CPUs that this process may use. */
  readonly cores: number;
  readonly memoryMib: number;
  /** `vmx`, `svm`, or null where there is neither, or no way to tell. */
  readonly virtualization: "vmx" | "svm" | null;
  /** Version of the C library; null where it is not glibc. */
  readonly glibc: string | null;
}

/** Collects it; nothing here fails. */
export function describeHost(): HostReport {
  const cpuinfo = readText("/proc/cpuinfo");
  const flag = /^flags\s*:.*\b(vmx|svm)\b/m.exec(cpuinfo)?.[1];
  return {
    os: process.platform,
    arch: process.arch,
    kernel: release(),
    system: /^PRETTY_NAME="?([^"\n]*)/m.exec(readText("/etc/os-release"))?.[1] ?? process.platform,
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryMib: Math.round(totalmem() / (1024 * 1024)),
    virtualization: flag === "vmx" || flag === "svm" ? flag : null,
    glibc: glibcVersion(),
  };
}

function glibcVersion(): string | null {
  const header = (process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined)
    ?.header;
  return header?.glibcVersionRuntime ?? null;
}

export interface DirectoryReport {
  readonly path: string;
  /** Whether it can be written, or made. */
  readonly writable: boolean;
  /** Why not; null when it can. */
  readonly problem: string | null;
  /** Free space for this user, MiB; null when it cannot be told. */
  readonly freeMib: number | null;
}

/** Looks at a directory that may not exist yet, without making it: then its nearest ancestor decides. */
export function describeDirectory(path: string): DirectoryReport {
  for (let at = path; ; at = parentOf(at)) {
    try {
      accessSync(at, constants.W_OK | constants.X_OK);
      const { bavail, bsize } = statfsSync(at);
      return { path, writable: true, problem: null, freeMib: Math.floor((bavail * bsize) / (1024 * 1024)) };
    } catch (error) {
      const code = errnoOf(error) ?? "unknown error";
      if (code !== "ENOENT" || at === "/") {
        return { path, writable: false, problem: `${at}: ${problems[code] ?? code}`, freeMib: null };
      }
    }
  }
}

const problems: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EROFS: "read-only file system",
  ENOTDIR: "not a directory",
};

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
