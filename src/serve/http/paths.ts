/** Which routes a path leads to: the one place where paths of requests are held against those of routes. */
import { Refused } from "../errors.ts";
import type { Param, Route } from "./route.ts";

/** The routes of the one path that a request's leads to, whatever the method; a slash at its end means nothing. */
export type Matcher = (pathname: string) => readonly Route[];

export function matcherOf(routes: readonly Route[]): Matcher {
  const byPath = Map.groupBy(routes, ({ path }) => path);
  const patterns = [...byPath].map(([path, found]) => ({ pattern: patternOf(path), found }));
  return (pathname) => patterns.find(({ pattern }) => pattern.test(pathname))?.found ?? [];
}

/** `{path}`, which is last, takes the rest. */
function patternOf(path: string): RegExp {
  const text = path
    .replaceAll(".", "\\.")
    .replace(/\{(\w+)\}/g, (_, name) => (name === "path" ? ".+" : "[^/]+"));
  return new RegExp(`^${text}/?$`);
}

/** The free parts of a path, decoded once each. @throws Refused `BAD_REQUEST` */
export function paramsOf(route: Route, pathname: string): Readonly<Record<Param, string>> {
  const given = pathname.split("/");
  const params = { name: "", volume: "", id: "", path: "" };
  for (const [index, part] of route.path.split("/").entries()) {
    const name = /^\{(\w+)\}$/.exec(part)?.[1] as Param | undefined;
    if (name === undefined) continue;
    const raw = name === "path" ? given.slice(index).join("/") : (given[index] ?? "");
    try {
      params[name] = decodeURIComponent(raw);
    } catch {
      throw new Refused("BAD_REQUEST", "the path has a `%` that is no part of an encoded character");
    }
  }
  return params;
}

/**
 * The route that answers a method; HEAD is a GET whose answer has no body.
 *
 * @param found all routes of a path
 * @throws Refused `NOT_FOUND`, `METHOD_NOT_ALLOWED`
 */
export function routeFor(found: readonly Route[], method: string): Route {
  const wanted = method === "HEAD" ? "get" : method.toLowerCase();
  const route = found.find((one) => one.method === wanted);
  if (route !== undefined) return route;
  const allow = methodsOf(found).join(", ");
  throw new Refused("METHOD_NOT_ALLOWED", `${method} is not possible here`, { allow });
}

/** @param found all routes of a path @throws Refused `NOT_FOUND` when there are none */
export function methodsOf(found: readonly Route[]): readonly string[] {
  if (found.length === 0) throw new Refused("NOT_FOUND", "there is no such path: see /api-docs/openapi.json");
  const methods = found.map(({ method }) => method.toUpperCase());
  return methods.includes("GET") ? [...methods, "HEAD"] : methods;
}

/** What a series of metrics is called: never what a client has made up. */
export const seriesOf = (found: readonly Route[]): string =>
  found[0]?.path.replace(/\{(?!path)\w+\}/g, ":id").replace("{path}", ":path") ?? "other";
