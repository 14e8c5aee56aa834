import { errnoOf, messageOf, SmolError } from "../errors.ts";
import { limits } from "./limits.ts";

/** A name as it can be printed: of bytes, without what a terminal would take for a command. */
export function printable(name: string): string {
  const text = Buffer.from(name, "latin1").toString();
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what has to go
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, "?");
}

/** A failure of the host's own files. */
export function hostFailure(action: string, path: string, error: unknown): SmolError {
  if (error instanceof SmolError) return error;
  const code = errnoOf(error);
  const shown = printable(path);
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new SmolError("copy.no_space", `cannot ${action} ${shown}: this host's disk is full`, {
      hint: "free some room, and copy again: what was there before is as it was",
      cause: error,
    });
  }
  const why = REASONS[code ?? ""] ?? (code === undefined ? messageOf(error) : code);
  return new SmolError("copy.host_file", `cannot ${action} ${shown}: ${why}`, { cause: error });
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file or directory",
  ENOTDIR: "a part of the path is no directory",
  EISDIR: "a directory is in the way of a file",
  EACCES: "permission denied",
  EPERM: "not permitted",
  ELOOP: "it is a link, or leads through too many",
  ENAMETOOLONG: "the name is too long",
  EROFS: "the filesystem is read-only",
  EEXIST: "it exists",
};

/** What the guest's side says went wrong: its words, about its files. */
export function guestFailure(errno: number, text: string): SmolError {
  const said = printable(text.slice(0, limits.failureBytes));
  if (errno === 28 || errno === 122) {
    return new SmolError("copy.guest_full", `the machine's disk is full: ${said}`, {
      hint: "remove files there, or stop the machine and `smolvm machine resize` its disks",
    });
  }
  if (errno === 2) return new SmolError("copy.not_found", `in the machine: ${said}`);
  return new SmolError("copy.guest_file", `in the machine: ${said}`);
}
