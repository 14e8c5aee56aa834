/** Who a request says it is, to the registry that it is about. Nothing of that is kept, nor told in any answer. */
import { type InferOutput, strictObject } from "valibot";
import type { Credentials } from "../../registry/index.ts";
import { Refused } from "../errors.ts";
import { field, word } from "./fields.ts";

export const registryAuth = strictObject({
  username: field(word, "With password."),
  password: field(word, "Or a token that the registry takes in its place."),
  identityToken: field(word, "Of the registry's token server, in place of the other two."),
});

/** For a field of a request. */
export const AUTH_ABOUT =
  "For the registry that is asked, and no other. Default: what the server's user has for it.";

/** @throws Refused `BAD_REQUEST` */
export function credentialsOf(given: InferOutput<typeof registryAuth> | undefined): Credentials | undefined {
  if (given === undefined) return undefined;
  const { username, password, identityToken } = given;
  if (identityToken !== undefined && username === undefined && password === undefined)
    return { identityToken };
  if (identityToken === undefined && username !== undefined && password !== undefined)
    return { username, password };
  throw new Refused("BAD_REQUEST", "registryAuth: give username and password, or identityToken alone");
}
