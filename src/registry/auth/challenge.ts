/** One way to prove who we are that a server offers. */
export interface Challenge {
  /** Lower case: `bearer`, `basic`. */
  readonly scheme: string;
  /** By name in lower case; of repeated ones the first. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** Real headers have a few hundred bytes. */
const MAX_HEADER = 16 * 1024;
const MAX_CHALLENGES = 16;
const MAX_PARAMETERS = 32;

const tokenAt = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const token68At = /[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))/y;
const quotedAt = /"((?:[^"\\]|\\.)*)"/sy;
const equalsAt = /[ \t]*=[ \t]*/y;
const blanksAt = /[ \t]+/y;
/** Not allowed without quotes, and sent all the same: `realm=https://…`. */
const unquotedAt = /[^\s,"]+/y;
const separatorsAt = /[ \t,]*/y;

/**
 * Reads WWW-Authenticate (RFC 9110, 11.6.1). Several challenges and the parameters of each are separated by the same
 * comma; a word that is not followed by `=` starts a new challenge. What comes after a mistake is left out: it is
 * better to know half of the offers than none.
 */
export function parseChallenges(header: string | null): Challenge[] {
  const text = header ?? "";
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  if (text.length > MAX_HEADER) return challenges;
  let position = 0;
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = position;
    const match = pattern.exec(text);
    if (match === null) return undefined;
    position = pattern.lastIndex;
    return match;
  };
  for (;;) {
    take(separatorsAt);
    const word = take(tokenAt)?.[0].toLowerCase();
    if (word === undefined) return challenges;
    const current = challenges.at(-1);
    if (current !== undefined && take(equalsAt) !== undefined) {
      const quoted = take(quotedAt)?.[1]?.replace(/\\(.)/gs, "$1");
      const value = quoted ?? take(unquotedAt)?.[0];
      if (value === undefined || current.parameters.size >= MAX_PARAMETERS) return challenges;
      if (!/\p{Cc}/u.test(value) && !current.parameters.has(word)) current.parameters.set(word, value);
      continue;
    }
    if (challenges.length >= MAX_CHALLENGES) return challenges;
    challenges.push({ scheme: word, parameters: new Map() });
    // `Negotiate abc==`: a single value instead of parameters.
    if (take(blanksAt) !== undefined) take(token68At);
  }
}
