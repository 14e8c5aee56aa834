import { errnoOf, SmolError } from "../../errors.ts";

/**
 * Looks at, or changes, what is in the cache; what the system refuses becomes an error for users.
 *
 * @throws SmolError `image.cache_unusable`
 */
export function usingCache<Result>(directory: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    const code = errnoOf(error);
    if (code === undefined || error instanceof SmolError) throw error;
    throw new SmolError("image.cache_unusable", `cannot use the image cache ${directory}: ${code}`, {
      hint: "it must belong to you: smolvm may have been run with sudo, or as another user",
      cause: error,
    });
  }
}
