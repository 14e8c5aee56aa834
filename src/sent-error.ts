import { SmolError } from "./errors.ts";

/** An error on its way to another thread, which classes do not survive. */
export interface SentError {
  /** Of a `SmolError`. */
  readonly code?: string | undefined;
  readonly message: string;
  readonly hint?: string | undefined;
}

export function packError(error: unknown): SentError {
  if (error instanceof SmolError) return { code: error.code, message: error.message, hint: error.hint };
  return { message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

export function unpackError({ code, message, hint }: SentError): Error {
  if (code === undefined) return new Error(message);
  return new SmolError(code, message, { hint });
}
