import { errnoOf, messageOf, SmolError } from "../../errors.ts";

const reasons: Record<string, string> = {
  ENOENT: "no such file",
  ENOTDIR: "a part of the path is not a directory",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EISDIR: "is a directory",
  ELOOP: "symbolic links lead in circles",
  EIO: "the disk reports an error",
};

/** Turns a failed access to a source into the error that users see. */
export function unreadable(path: string, error: unknown): SmolError {
  const code = errnoOf(error) ?? "";
  const hint = code === "EACCES" || code === "EPERM" ? "make it readable, or run as its owner" : undefined;
  return new SmolError("image.unreadable", `cannot read ${path}: ${reasons[code] ?? messageOf(error)}`, {
    hint,
    cause: error,
  });
}
