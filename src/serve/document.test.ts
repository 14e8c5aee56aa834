import { expect, test } from "bun:test";
import { openApiDocument } from "./document.ts";
import { allRoutes } from "./routes/all.ts";

interface Operation {
  readonly operationId: string;
  readonly parameters: readonly { readonly name: string; readonly in: string }[];
  readonly responses: Record<string, { readonly links?: Record<string, Link> }>;
}
interface Link {
  readonly operationId: string;
  readonly parameters: Record<string, string>;
}

const { paths } = openApiDocument(allRoutes) as { paths: Record<string, Record<string, Operation>> };
const operations = Object.values(paths).flatMap((methods) => Object.values(methods));
const linksOf = (id: string) =>
  operations
    .filter(({ operationId }) => operationId === id)
    .flatMap(({ responses }) => Object.values(responses[200]?.links ?? {}));

test("a machine that was made leads to all that can be done with it, by its name", () => {
  const ofMachines = operations
    .filter(({ parameters }) => parameters.some((one) => one.in === "path" && one.name === "name"))
    .map(({ operationId }) => operationId);
  const links = linksOf("createMachine");
  // The signal needs a process, which no machine has yet.
  expect(links.map(({ operationId }) => operationId)).toEqual(
    ofMachines.filter((id) => id !== "killProcess"),
  );
  expect(new Set(links.map(({ parameters }) => JSON.stringify(parameters)))).toEqual(
    new Set(['{"name":"$response.body#/name"}']),
  );
});

test("a process in the background leads to its signal, with the machine that was asked", () => {
  expect(linksOf("exec")).toEqual([
    { operationId: "killProcess", parameters: { name: "$request.path.name", id: "$response.body#/id" } },
  ]);
});

test("a volume leads to its own, and each link to an operation that has these parts in its path", () => {
  expect(linksOf("createVolume").map(({ operationId }) => operationId)).toEqual([
    "getVolume",
    "deleteVolume",
  ]);
  for (const { operationId } of operations)
    for (const link of linksOf(operationId)) {
      const next = operations.find((one) => one.operationId === link.operationId);
      const parts = next?.parameters.filter((one) => one.in === "path").map(({ name }) => name);
      expect(parts).toEqual(expect.arrayContaining(Object.keys(link.parameters)));
    }
});
