/** A root directory in which only the paths of a program are. */
import { type OrderWriter, text, u64 } from "./order.ts";
import type { ResolvedPath, Rights } from "./types.ts";

const MS_RDONLY = 1;
const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_NOEXEC = 8;
const MS_REMOUNT = 32;
const MS_REC = 16384;
const MS_PRIVATE = 1 << 18;

/** Where the new root is made. What lies below it on the host is reached below `OLD` meanwhile. */
const NEW = "/tmp";
const OLD = "/.host";

/** A few directories, and nothing that a process could write to. */
const OPTIONS = "size=1m,mode=0755";

const writable: ReadonlySet<Rights> = new Set(["write", "writableShare", "device"]);
/** The kernel maps no code from a mount that is `noexec`: libraries need it not to be. */
const executable: ReadonlySet<Rights> = new Set(["library", "execute"]);

export function addRoot(order: OrderWriter, paths: readonly ResolvedPath[]): void {
  const mount = (source: string, target: string, type: string, flags: number, options = "") =>
    order.step("mount", target, text(source), text(target), text(type), u64(flags), text(options));
  mount("none", "/", "", MS_REC | MS_PRIVATE);
  mount("root", NEW, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, OPTIONS);
  order.step("directory", OLD, text(`${NEW}${OLD}`));
  order.step("pivot", "the new root", text(NEW), text(`${NEW}${OLD}`));
  for (const { path, source, rights } of withoutNested(paths)) {
    const flags =
      MS_NOSUID |
      (rights === "device" ? 0 : MS_NODEV) |
      (writable.has(rights) ? 0 : MS_RDONLY) |
      (executable.has(rights) ? 0 : MS_NOEXEC);
    order.step("bind", path, text(`${OLD}${source}`), text(path), u64(flags));
  }
  order.step("unmount", OLD, text(OLD));
  mount("none", "/", "", MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, OPTIONS);
}

/** What is in a directory that is shown as well, with rights that are no less, needs no mount of its own. */
function withoutNested(paths: readonly ResolvedPath[]): ResolvedPath[] {
  const directories = paths.filter(({ rights }) => rights === "library");
  return paths.filter(
    ({ path, rights }) =>
      (rights !== "read" && rights !== "library" && rights !== "execute") ||
      !directories.some((directory) => path.startsWith(`${directory.path}/`)),
  );
}
