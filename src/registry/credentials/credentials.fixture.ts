import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { RegistryEntry, RegistrySettings } from "../../config/index.ts";
import { SmolError } from "../../errors.ts";
import { openCredentials } from "./source.ts";
import type { CredentialSource, Credentials } from "./types.ts";

/** A word that stands for a secret: it must be in answers only, never in a message. */
export const CANARY = "c4n4ry-s3cr3t";

export const base64 = (text: string | Uint8Array) => Buffer.from(text).toString("base64");

export const settingsOf = (registries: Record<string, Partial<RegistryEntry>>): RegistrySettings => ({
  defaultRegistry: undefined,
  registries: new Map(
    Object.entries(registries).map(([host, entry]) => [host, { mirrors: [], insecure: false, ...entry }]),
  ),
});

/** A user's home with files in it; `home` stands for its path in what they say. */
export class CredentialHome {
  readonly path = mkdtempSync(join(tmpdir(), "smolvm-credentials-"));
  readonly env: Record<string, string> = {
    HOME: this.path,
    PATH: `${this.path}/bin:/usr/bin:/bin`,
    XDG_RUNTIME_DIR: `${this.path}/run`,
  };

  /** Writes a file; objects as JSON. */
  write(name: string, content: unknown): void {
    const path = join(this.path, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  }

  /** Installs a credential helper: a shell script, which is called with `get` and the server on stdin. */
  helper(name: string, script: string): void {
    const path = join(this.path, `bin/docker-credential-${name}`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }

  open(registries: Record<string, Partial<RegistryEntry>> = {}): CredentialSource {
    return openCredentials(settingsOf(registries), this.env);
  }

  async find(registry: string, repository?: string): Promise<Credentials | undefined> {
    return this.open().find(registry, repository);
  }

  /** `code: message | hint` of the refusal. */
  async refusal(registry = "example.com", source: CredentialSource = this.open()): Promise<string> {
    try {
      const found = await source.find(registry);
      throw new Error(`was not refused: ${JSON.stringify(found)}`);
    } catch (error) {
      if (!(error instanceof SmolError)) throw error;
      const text = `${error.code}: ${error.message}${error.hint === undefined ? "" : ` | ${error.hint}`}`;
      return text.replaceAll(this.path, "home");
    }
  }

  /** Why credentials were not found, though there may be some. */
  async unread(
    registry = "example.com",
    source: CredentialSource = this.open(),
  ): Promise<string | undefined> {
    const found = await source.find(registry);
    if (found !== undefined) throw new Error("there are credentials");
    return source.unread?.replaceAll(this.path, "home");
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
