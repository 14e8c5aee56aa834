import type { SmolError } from "../../errors.ts";
import { type AuthEntry, badFile } from "./read.ts";
import type { Credentials } from "./types.ts";

/** As a username, it says that the password is an identity token. */
export const TOKEN_USER = "<token>";

/** Where an entry stands: for messages. */
interface Place {
  readonly path: string;
  readonly scope: string;
}

/**
 * The credentials in an entry of `auths`: `identitytoken`, `registrytoken`, `auth` (base64 of `user:password`), or
 * `username` and `password`. docker leaves empty entries for registries whose credentials a helper keeps.
 *
 * @throws SmolError `credentials.bad_file`
 */
export function decodeEntry(entry: AuthEntry, place: Place): Credentials | undefined {
  const text = (key: string) => textOf(entry, key, place);
  const identityToken = text("identitytoken");
  const registryToken = text("registrytoken");
  const auth = text("auth");
  const pair = auth === "" ? { username: text("username"), password: text("password") } : decode(auth, place);
  if (identityToken !== "") {
    const named = pair.username !== "" && pair.username !== TOKEN_USER;
    return named ? { identityToken, username: pair.username } : { identityToken };
  }
  if (registryToken !== "") {
    // It becomes a part of a header as it is.
    if (!/^[\x21-\x7e]+$/.test(registryToken)) throw failure(place, "its registrytoken is not a token");
    return { registryToken };
  }
  return ofPair(pair.username, pair.password);
}

/** A username and a password, as files and helpers have them; undefined when both are empty. */
export function ofPair(username: string, password: string): Credentials | undefined {
  if (username === TOKEN_USER) return password === "" ? undefined : { identityToken: password };
  return username === "" && password === "" ? undefined : { username, password };
}

function decode(auth: string, place: Place): { username: string; password: string } {
  const text = decodeBase64(auth.trim());
  const colon = text?.indexOf(":") ?? -1;
  if (text === undefined || colon < 0) throw failure(place, "its auth is not base64 of USER:PASSWORD");
  // Old versions of docker padded with NULs.
  return { username: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, "") };
}

function decodeBase64(text: string): string | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.from(text, "base64"));
  } catch {
    return undefined;
  }
}

function textOf(entry: AuthEntry, key: string, place: Place): string {
  const value = entry[key];
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  throw failure(place, `its ${key} is not a text`);
}

function failure({ path, scope }: Place, reason: string): SmolError {
  return badFile(path, `in the entry for ${scope}, ${reason}`);
}
