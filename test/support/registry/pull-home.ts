import { expect } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { Home } from "../home.ts";
import type { Result, RunOptions } from "../process.ts";
import { imagesIn, strays } from "./cache.ts";

/** What a failed command says of itself with `--json`; the codes are those of docs/errors.md. */
export interface PullError {
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** Answers soon, also when something is wrong. */
export const QUICK = 'stall_timeout = "1s"\nattempts = 3';

/** A user's home with a cache, settings and credentials of its own, for pulling. */
export class PullHome extends Home {
  constructor(settings = `[pull]\n${QUICK}\n`) {
    super();
    Object.assign(this.env, {
      XDG_CACHE_HOME: `${this.path}/cache`,
      DOCKER_CONFIG: `${this.path}/docker`,
      SMOLVM_CONFIG: `${this.path}/config.toml`,
    });
    this.settings(settings);
  }

  /** Where images are. */
  get images(): string {
    return `${this.cacheDir}/images`;
  }

  /** `Paths.cache`. */
  get cacheDir(): string {
    return `${this.path}/cache/smolvm`;
  }

  /** Replaces config.toml. */
  settings(text: string): void {
    writeFileSync(`${this.path}/config.toml`, text, { mode: 0o600 });
  }

  /** Replaces docker's config.json. */
  dockerConfig(document: object): void {
    mkdirSync(`${this.path}/docker`, { recursive: true });
    writeFileSync(`${this.path}/docker/config.json`, JSON.stringify(document), { mode: 0o600 });
  }

  /** `images pull`. */
  async pull(reference: string, options: RunOptions & { options?: readonly string[] } = {}): Promise<Result> {
    return await this.smolvm(["images", "pull", ...(options.options ?? []), reference], options);
  }

  /** `images pull` that must succeed. */
  async pulled(
    reference: string,
    options: RunOptions & { options?: readonly string[] } = {},
  ): Promise<Result> {
    const result = await this.pull(reference, options);
    if (result.exitCode === 0) return result;
    throw new Error(`images pull ${reference}: exit code ${result.exitCode}: ${result.stderr}`);
  }

  /**
   * `images pull` that must fail as it should: with exit code 1, no stack trace, and nothing left behind.
   *
   * @returns its error, as `--json` prints it
   */
  async refused(
    reference: string,
    { options = [], ...rest }: RunOptions & { options?: readonly string[] } = {},
  ): Promise<PullError> {
    const { exitCode, stderr, output } = await this.pull(reference, {
      seconds: 25,
      ...rest,
      options: ["--json", ...options],
    });
    expect({ exitCode, output, stderr }).toEqual({ exitCode: 1, output: "", stderr: expect.any(String) });
    expect(stderr).not.toMatch(/\bat .*:\d+:\d+/);
    expect(strays(this.images)).toEqual([]);
    expect(imagesIn(this.images)).toEqual([]);
    return (JSON.parse(stderr) as { error: PullError }).error;
  }

  [Symbol.dispose](): void {
    this.remove();
  }
}
