import { describe, expect } from "bun:test";
import { McpClient } from "../mcp/client.ts";
import { EVIL, OUTER } from "../support/outside/addresses.ts";
import { useOutside } from "../support/outside/outside.ts";
import { program } from "../support/program.ts";
import { onQemu } from "../support/register.ts";

/** Lists hold in the machines of programs and of models, too; policy.test.ts tries all that gets around one. */

const outside = useOutside();

/** Each says what came of it, in a line. */
function script(tries: readonly string[]): string {
  return tries.map((url) => `wget -T 3 -qO- http://${url}/ 2>/dev/null || echo no`).join("; ");
}

const served = `served by ${OUTER}`;
const LIMIT = 180;

/** Nobody was asked about what no rule names. */
const expectNothingLeaked = () => expect(outside.questions.filter((one) => one.includes("evil"))).toEqual([]);

describe.concurrent("a list of hosts", () => {
  onQemu(
    "holds in a machine of the TypeScript package",
    async () => {
      const network = { allowHosts: ["allowed.test"], dns: ["127.0.0.1:5353"] };
      const tries = script(["allowed.test", `${OUTER}:8080`, "evil.test", EVIL, "x.evil.test:8080"]);
      const words = [process.execPath, `${import.meta.dir}/../sdk/listed.ts`, JSON.stringify(network), tries];
      const started = Bun.spawn([...outside.inside(), ...words], {
        env: { ...outside.env, SMOLVM_BIN: program },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      });
      const [output, stderr] = await Promise.all([
        new Response(started.stdout).text(),
        new Response(started.stderr).text(),
      ]);
      expect(stderr).toBe("");
      expect(output.trim().split("\n")).toEqual([served, served, "no", "no", "no"]);
      expectNothingLeaked();
    },
    LIMIT,
  );

  onQemu(
    "holds in machines of `smolvm mcp`, and a call can only make it shorter",
    async () => {
      // Names would be asked of the host's own servers, which are not those of this outside.
      const allowed = ["--allow-host", `${OUTER}:80`, "--allow-host", `${OUTER}:443`];
      const client = new McpClient(outside, ["--max-mem", "512", "--max-machines", "2", ...allowed]);
      const command = script([OUTER, `${OUTER}:8080`, EVIL, "evil.test"]);
      const tried = async (tool: string, args: object) =>
        (await client.call(tool, { command, ...args })).stdout.trim().split("\n");
      expect(await tried("exec", {})).toEqual([served, "no", "no", "no"]);
      expect(await tried("run", {})).toEqual([served, "no", "no", "no"]);
      expect(await tried("run", { network: [`${OUTER}:443`] })).toEqual(["no", "no", "no", "no"]);
      expect(await tried("run", { network: [] })).toEqual(["no", "no", "no", "no"]);
      for (const network of [[EVIL], ["evil.test"], [OUTER]]) {
        expect(await client.refusal("run", { command, network })).toBe("mcp.not_allowed");
        const create = { action: "create", name: "more", network };
        expect(await client.refusal("machines", create)).toBe("mcp.not_allowed");
      }
      expect(await client.end()).toBe(0);
      expectNothingLeaked();
    },
    LIMIT,
  );
});
