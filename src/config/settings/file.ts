import { errnoOf, messageOf, SmolError } from "../../errors.ts";

/** A settings file is a page of text. */
const MAX_BYTES = 1 << 20;

export interface SettingsFile {
  readonly text: string;
  /** Others than its owner may read it. */
  readonly shared: boolean;
}

/**
 * Reads a settings file.
 *
 * @returns undefined when there is none
 * @throws SmolError `config.unreadable`, `config.too_large`, `config.bad_toml` (not UTF-8)
 */
export async function readSettingsFile(path: string): Promise<SettingsFile | undefined> {
  try {
    const { mode } = await Bun.file(path).stat();
    // One byte more than allowed tells a file that is too large, also one whose size is unknown (a pipe).
    const bytes = await Bun.file(path)
      .slice(0, MAX_BYTES + 1)
      .bytes();
    if (bytes.length > MAX_BYTES) {
      throw new SmolError("config.too_large", `${path} is larger than 1 MiB, which no settings are`);
    }
    return { text: decode(path, bytes), shared: (mode & 0o044) !== 0 };
  } catch (error) {
    if (error instanceof SmolError) throw error;
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENOTDIR") return undefined;
    throw new SmolError("config.unreadable", `cannot read ${path}: ${errno ?? messageOf(error)}`, {
      cause: error,
    });
  }
}

function decode(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new SmolError("config.bad_toml", `${path} is not UTF-8 text`);
  }
}
