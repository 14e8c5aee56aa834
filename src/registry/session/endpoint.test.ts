import { expect, test } from "bun:test";
import type { RegistryEntry } from "../../config/index.ts";
import { parseReference, type RegistryOptions } from "../index.ts";
import { endpointsOf } from "./endpoint.ts";

function endpoints(name: string, entries: Readonly<Record<string, Partial<RegistryEntry>>> = {}) {
  const registries = new Map(
    Object.entries(entries).map(
      ([host, entry]) => [host, { mirrors: [], insecure: false, ...entry }] as const,
    ),
  );
  const settings: RegistryOptions["settings"] = { defaultRegistry: undefined, registries };
  const credentials = { find: async () => undefined };
  return endpointsOf(parseReference(name), { settings, credentials }).map(
    ({ registry, host, scheme, isMirror, insecure, caFile }) => ({
      where: `${isMirror ? "mirror " : ""}${registry} at ${host} by ${scheme ?? "either"}`,
      ...(insecure ? { insecure } : {}),
      ...(caFile === undefined ? {} : { caFile }),
    }),
  );
}

test("Docker Hub's registry has another name; its settings and credentials have not", () => {
  expect(endpoints("alpine")).toEqual([{ where: "docker.io at registry-1.docker.io by https" }]);
  expect(endpoints("index.docker.io/alpine", { "docker.io": { caFile: "/ca" } })).toEqual([
    { where: "docker.io at registry-1.docker.io by https", caFile: "/ca" },
  ]);
});

test("plain http is possible for this machine and for what is declared insecure, and nowhere else", () => {
  const by = (name: string, insecure = false) => {
    const host = parseReference(name).registry;
    return endpoints(name, { [host]: { insecure } })[0]?.where.replace(/.* by /, "");
  };
  for (const host of ["localhost", "localhost:5000", "127.0.0.1:5000", "127.1.2.3:1", "[::1]:5000"]) {
    expect(by(`${host}/x`)).toBe("either");
  }
  for (const host of [
    "ghcr.io",
    "localhost.example",
    "128.0.0.1:1",
    "10.0.0.1:5000",
    "[::2]:1",
    "registry:5000",
  ]) {
    expect(by(`${host}/x`)).toBe("https");
    expect(by(`${host}/x`, true)).toBe("either");
  }
});

test("mirrors come first, in their order, each with settings of its own", () => {
  const mirrors = ["http://cache.example:5000", "second.example", "https://localhost:6000", "docker.io"];
  const entries = {
    "ghcr.io": { mirrors, insecure: true, caFile: "/ghcr" },
    "cache.example:5000": { caFile: "/cache", mirrors: ["never.example"] },
  };
  expect(endpoints("ghcr.io/a/b", entries)).toEqual([
    { where: "mirror cache.example:5000 at cache.example:5000 by http", caFile: "/cache" },
    { where: "mirror second.example at second.example by https" },
    { where: "mirror localhost:6000 at localhost:6000 by https" },
    { where: "mirror docker.io at registry-1.docker.io by https" },
    { where: "ghcr.io at ghcr.io by either", insecure: true, caFile: "/ghcr" },
  ]);
});

test("the host of a name may be written in any case", () => {
  expect(endpoints("GHCR.io/a/b", { "ghcr.io": { caFile: "/ghcr" } })).toEqual([
    { where: "GHCR.io at GHCR.io by https", caFile: "/ghcr" },
  ]);
});
