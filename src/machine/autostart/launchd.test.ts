import { expect, test } from "bun:test";
import fc from "fast-check";
import { Home, run } from "./autostart.fixture.ts";
import { launchdAgent } from "./launchd.ts";
import type { Service } from "./service.ts";

const service: Service = {
  machine: "web",
  program: "/usr/local/bin/smolvm",
  environment: { PATH: "/usr/bin:/bin", SMOLVM_AUTOSTART: "1" },
  stopTimeoutMs: 10_000,
};

/** What Python's plistlib reads, as launchd would. */
async function read(plists: string[]): Promise<unknown[]> {
  using home = new Home();
  const script =
    "import json, plistlib, sys; json.dump([plistlib.loads(t.encode()) for t in json.load(sys.stdin)], sys.stdout)";
  const { stdout, stderr } = await run(["python3", "-c", script], home, JSON.stringify(plists));
  if (stderr !== "") throw new Error(stderr);
  return JSON.parse(stdout);
}

test("a property list reader reads it as it is meant", async () => {
  expect(await read([launchdAgent(service, "smolvm.web")])).toEqual([
    {
      Label: "smolvm.web",
      ProgramArguments: ["/usr/local/bin/smolvm", "machine", "start", "--name", "web"],
      EnvironmentVariables: { PATH: "/usr/bin:/bin", SMOLVM_AUTOSTART: "1" },
      RunAtLoad: true,
      AbandonProcessGroup: true,
    },
  ]);
});

/** The agent for this program and data directory; undefined when it is refused. */
function agentFor(program: string, data: string): string | undefined {
  try {
    return launchdAgent({ ...service, program, environment: { SMOLVM_DATA_DIR: data } }, "smolvm.web");
  } catch (error) {
    expect(error).toMatchObject({ code: "autostart.bad_text" });
    return undefined;
  }
}

test("every path and variable arrives as it is, or is refused because XML has no way to write it", async () => {
  const piece = fc.constantFrom(
    "&",
    "<",
    ">",
    "&amp;",
    "]]>",
    "<!--",
    '"',
    "'",
    "\r",
    "\n",
    "\t",
    " ",
    "%",
    "😀",
  );
  const text = fc.oneof(
    fc.array(piece, { minLength: 1, maxLength: 8 }).map((list) => list.join("")),
    fc.string({ unit: "binary" }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(text, text), { maxLength: 100 }), async (pairs) => {
      const made = pairs.map(([program, data]) => ({ program, data, plist: agentFor(program, data) }));
      for (const { program, data, plist } of made)
        expect(plist === undefined).toBe(/(?![\t\n\r\x7f-\x9f])\p{Cc}|[\ufffe\uffff]/u.test(program + data));
      const good = made.filter(({ plist }) => plist !== undefined);
      expect(await read(good.map(({ plist }) => plist as string))).toMatchObject(
        good.map(({ program, data }) => ({
          ProgramArguments: [program, "machine", "start", "--name", "web"],
          EnvironmentVariables: { SMOLVM_DATA_DIR: data },
        })),
      );
    }),
    { numRuns: 10 },
  );
}, 60_000);
