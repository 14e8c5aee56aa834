import { SmolError } from "../../errors.ts";
import { usageError } from "../usage.ts";
import { parseBytes } from "../values/bytes.ts";

interface PullValues {
  readonly proxy: string | undefined;
  readonly noProxy: string | undefined;
  readonly maxImageSize: number | undefined;
}

/** What the options and SMOLVM_MAX_IMAGE_BYTES say about pulling; nothing stands for what they do not say. */
export function pullSettings({ proxy, noProxy, maxImageSize }: PullValues): {
  proxy: string | undefined;
  noProxy: string | undefined;
  maxImageBytes: number | undefined;
} {
  const maxImageBytes = maxImageSize ?? fromEnvironment();
  return {
    proxy,
    noProxy,
    maxImageBytes,
  };
}

function fromEnvironment(): number | undefined {
  const text = process.env.SMOLVM_MAX_IMAGE_BYTES;
  if (!text) return undefined;
  try {
    return parseBytes(text);
  } catch (error) {
    if (!(error instanceof SmolError)) throw error;
    throw usageError(error.code, `SMOLVM_MAX_IMAGE_BYTES: ${error.message}`, error.hint);
  }
}
