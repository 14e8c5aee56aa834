import { errnoOf } from "../errors.ts";
import { diskError } from "./disk.ts";

/** Runs an action on the cache; what the system refuses becomes an error for users. */
export function attempt<Result>(action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    throw errnoOf(error) === undefined ? error : diskError(error);
  }
}
