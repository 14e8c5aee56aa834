import { SmolError } from "../../errors.ts";
import type { ImageConfig } from "../types.ts";

/** Instructions of a Dockerfile that change how an image is run (`docker commit --change`). */
export const changeInstructions = [
  "CMD",
  "ENTRYPOINT",
  "ENV",
  "EXPOSE",
  "LABEL",
  "STOPSIGNAL",
  "USER",
  "VOLUME",
  "WORKDIR",
] as const;

/**
 * Applies one instruction, e.g. `CMD ["nginx", "-g", "daemon off;"]`, `ENV A=1 B="two words"`, `EXPOSE 80 53/udp`. What
 * comes of it is still to be checked by `parseConfig`.
 *
 * @throws SmolError `image.bad_change`
 */
export function changeConfig(config: ImageConfig, text: string): ImageConfig {
  const match = /^\s*([A-Za-z]+)\s+(\S[\s\S]*?)\s*$/.exec(text);
  const [, name = "", rest = ""] = match ?? [];
  switch (name.toUpperCase()) {
    case "CMD":
      return { ...config, cmd: commandOf(rest, text) };
    case "ENTRYPOINT":
      // As in a Dockerfile: what was below is an argument of another program.
      return { ...config, entrypoint: commandOf(rest, text), cmd: [] };
    case "ENV": {
      const set = pairsOf(rest, text);
      const kept = config.env.filter((entry) => !set.has(entry.slice(0, entry.indexOf("="))));
      return { ...config, env: [...kept, ...[...set].map(([key, value]) => `${key}=${value}`)] };
    }
    case "LABEL":
      return { ...config, labels: { ...config.labels, ...Object.fromEntries(pairsOf(rest, text)) } };
    case "USER":
      return { ...config, user: oneWord(rest, text) };
    case "STOPSIGNAL":
      return { ...config, stopSignal: oneWord(rest, text) };
    case "WORKDIR":
      return { ...config, workdir: rest.startsWith("/") ? rest : `${config.workdir}/${rest}` };
    case "VOLUME":
      return { ...config, volumes: [...config.volumes, ...(jsonWords(rest) ?? wordsOf(rest, text))] };
    case "EXPOSE":
      return { ...config, exposedPorts: ports(config.exposedPorts ?? [], wordsOf(rest, text), text) };
    default:
      throw bad(text, `one of ${changeInstructions.join(", ")} and what it sets`);
  }
}

function ports(before: readonly string[], more: readonly string[], text: string): string[] {
  const added = more.map((port) => {
    const [, number = "", protocol = "tcp"] = /^(\d{1,5})(?:\/(tcp|udp|sctp))?$/.exec(port) ?? [];
    if (number === "" || Number(number) < 1 || Number(number) > 65_535)
      throw bad(text, "ports such as 80, 53/udp");
    return `${Number(number)}/${protocol}`;
  });
  return [...new Set([...before, ...added])].sort();
}

/** A JSON array of words, or a line for the shell. */
function commandOf(rest: string, text: string): string[] {
  const words = jsonWords(rest);
  if (words !== undefined) return words;
  if (rest.startsWith("[")) throw bad(text, 'a JSON array of words, as in ["a", "b"], or a line for /bin/sh');
  return ["/bin/sh", "-c", rest];
}

function jsonWords(text: string): string[] | undefined {
  if (!text.startsWith("[")) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((word) => typeof word === "string") ? value : undefined;
  } catch {
    return undefined;
  }
}

/** `A=1 B="two words"`, or the old form `A the rest`. */
function pairsOf(rest: string, text: string): Map<string, string> {
  const words = wordsOf(rest, text);
  const [first = ""] = words;
  if (!first.includes("=")) {
    const value = rest.slice(rest.search(/\s|$/)).trim();
    if (value === "") throw bad(text, "NAME=VALUE");
    return new Map([[first, value]]);
  }
  return new Map(
    words.map((word) => {
      const equals = word.indexOf("=");
      if (equals < 1) throw bad(text, "NAME=VALUE");
      return [word.slice(0, equals), word.slice(equals + 1)];
    }),
  );
}

/** Words as a shell separates them; nothing is expanded. */
function wordsOf(rest: string, text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  for (let at = 0; at < rest.length; at++) {
    const character = rest[at] as string;
    if (character === "\\" && quote !== "'") word = (word ?? "") + (rest[++at] ?? "");
    else if (character === quote) quote = undefined;
    else if (quote === undefined && (character === '"' || character === "'")) {
      quote = character;
      word ??= "";
    } else if (quote === undefined && /\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? "") + character;
  }
  if (quote !== undefined) throw bad(text, "quotes that end");
  if (word !== undefined) words.push(word);
  return words;
}

function oneWord(rest: string, text: string): string {
  const [word, ...more] = wordsOf(rest, text);
  if (word === undefined || more.length > 0) throw bad(text, "one word");
  return word;
}

const bad = (text: string, wanted: string): SmolError =>
  new SmolError("image.bad_change", `${JSON.stringify(text)} is no change of an image's configuration`, {
    hint: `it takes ${wanted}`,
  });
