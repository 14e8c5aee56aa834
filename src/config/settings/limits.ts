import { SmolError } from "../../errors.ts";
import type { TomlTable } from "../../toml/table.ts";
import { bytesIn, parseSpan, quote } from "../../values/index.ts";
import type { CacheSettings, Environment, PullSettings } from "./types.ts";

const GIB = 1024 ** 3;

export const DEFAULT_CACHE: CacheSettings = { maxBytes: 64 * GIB };
export const DEFAULT_PULL: PullSettings = { stallSeconds: 30, attempts: 5, parallelLayers: 4 };

const MAX_STALL_SECONDS = 3600;
const MAX_ATTEMPTS = 20;
const MAX_PARALLEL_LAYERS = 16;

/** `[cache] max_size`: bytes as a number, or a text with a unit; 0 and `unlimited` lift the limit. */
export function readCache(section: TomlTable | undefined): CacheSettings {
  if (section === undefined) return DEFAULT_CACHE;
  const given = section.textOrNumber("max_size");
  section.finish();
  if (given === undefined) return DEFAULT_CACHE;
  const bytes =
    typeof given === "number" ? given : given === "unlimited" ? 0 : bytesIn(given, bareUnit(given));
  if (bytes === undefined || !Number.isFinite(bytes) || bytes < 0) {
    throw section.failure(
      "max_size",
      `${section.nameOf("max_size")} is not a size`,
      'write for example "64GiB", or "unlimited"; a number without quotes is in bytes',
    );
  }
  return { maxBytes: limitOf(bytes) };
}

/** In a text, only 0 needs no unit: whether "64" meant bytes or GiB could not be known. */
function bareUnit(text: string): number | undefined {
  return text === "0" ? 0 : undefined;
}

function limitOf(bytes: number): number {
  return bytes === 0 ? Number.POSITIVE_INFINITY : Math.ceil(bytes);
}

/** `SMOLVM_IMAGE_CACHE_MAX_BYTES`, a number of bytes, in place of what the file says. */
export function cacheFromEnvironment(env: Environment): CacheSettings | undefined {
  const text = env.SMOLVM_IMAGE_CACHE_MAX_BYTES;
  if (text === undefined || text === "") return undefined;
  if (!/^\d{1,15}$/.test(text)) {
    throw new SmolError(
      "config.bad_environment",
      `SMOLVM_IMAGE_CACHE_MAX_BYTES is not a number of bytes: ${quote(text)}`,
      { hint: "0 means no limit" },
    );
  }
  return { maxBytes: limitOf(Number(text)) };
}

/** `[pull]`. */
export function readPull(section: TomlTable | undefined): PullSettings {
  if (section === undefined) return DEFAULT_PULL;
  const stallSeconds = readStall(section) ?? DEFAULT_PULL.stallSeconds;
  const attempts = section.count("attempts", 1, MAX_ATTEMPTS) ?? DEFAULT_PULL.attempts;
  const parallelLayers =
    section.count("parallel_layers", 1, MAX_PARALLEL_LAYERS) ?? DEFAULT_PULL.parallelLayers;
  section.finish();
  return { stallSeconds, attempts, parallelLayers };
}

/** `stall_timeout`: a time span as a text, or a number of seconds. */
function readStall(section: TomlTable): number | undefined {
  const given = section.textOrNumber("stall_timeout");
  if (given === undefined) return undefined;
  const seconds = typeof given === "number" ? given : (parseSpan(given) ?? Number.NaN) / 1000;
  if (seconds >= 1 && seconds <= MAX_STALL_SECONDS) return seconds;
  throw section.failure(
    "stall_timeout",
    `${section.nameOf("stall_timeout")} must be a time span between 1s and 1h`,
  );
}
