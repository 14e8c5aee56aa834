/** What callers may get wrong with commands: cases of the suite (suite.ts). */
import assert from "node:assert/strict";
import { InvalidConfigError, Machine } from "../../sdk/src/index.ts";

export const refusals: Record<string, (machine: Machine) => Promise<void>> = {
  "what cannot be sent to a process is refused, and costs others nothing": async (machine) => {
    const other = await machine.spawn(["sh", "-c", "read line; echo $line"]);
    assert.throws(() => other.kill("SIGNOTHING" as never), InvalidConfigError);
    assert.throws(() => other.kill(9999), InvalidConfigError);
    assert.throws(() => other.resize(0, -5), InvalidConfigError);
    const writer = other.stdin.getWriter();
    await writer.write(new TextEncoder().encode("still here\n"));
    assert.equal((await other.result()).output, "still here");
  },
  "limits that are no span of time are refused, and long ones do not end at once": async (machine) => {
    await assert.rejects(machine.exec(["true"], { timeoutMs: Number.NaN }), InvalidConfigError);
    await assert.rejects(machine.spawn(["true"], { timeoutMs: -1 }), InvalidConfigError);
    assert.equal((await machine.exec(["sleep", "0.2"], { timeoutMs: 2 ** 31 })).exitCode, 0);
  },
  "other values that cannot be are refused by name": async (machine) => {
    await assert.rejects(machine.exec(["true"], { maxOutputBytes: -5 }), InvalidConfigError);
    const made = (options: object) => Machine.create({ start: false, ...options });
    await assert.rejects(made({ mounts: [{ host: "/srv", guest: "/srv" }] }), InvalidConfigError);
    await assert.rejects(made({ network: "on" }), InvalidConfigError);
    const refused = (field: string, message: string) => ({
      code: "sdk.bad_request",
      message: `${field}: ${message}`,
    });
    const noSuch = (field: string, end = "") => refused(field, `there is no such option${end}`);
    await assert.rejects(made({ nonsense: 1 }), noSuch("nonsense"));
    await assert.rejects(made({ memoryMb: 256 }), noSuch("memoryMb", "; did you mean memoryMiB?"));
    // Without its rule this network would reach everything.
    const network = { allowHost: ["example.com"] };
    await assert.rejects(made({ network }), noSuch("network.allowHost", "; did you mean allowHosts?"));
    await assert.rejects(
      machine.update({ adPorts: [80] } as object),
      noSuch("adPorts", "; did you mean addPorts?"),
    );
    await assert.rejects(
      machine.exec(["true"], { timeout: 5 } as object),
      noSuch("timeout", "; did you mean timeoutMs?"),
    );
    await assert.rejects(machine.spawn(["true"], { stdin: "x" } as object), noSuch("stdin"));
    await assert.rejects(
      Machine.connect(machine.name, { started: true } as object),
      noSuch("started", "; did you mean start?"),
    );
    const gpu = { vramMib: 64 };
    await assert.rejects(made({ gpu }), noSuch("gpu.vramMib", "; did you mean vramMiB?"));
    await assert.rejects(made({ gpu: { vramMiB: 0 } }), refused("gpu.vramMiB", "must be at least 1 (got 0)"));
    await assert.rejects(made({ memoryMiB: 1 }), refused("memoryMiB", "must be at least 64 (got 1)"));
    await assert.rejects(
      machine.update({ memoryMiB: 1 }),
      refused("memoryMiB", "must be at least 64 (got 1)"),
    );
  },
  "a command that is given up while it begins is not left in the machine": async (machine) => {
    for (let at = 0; at < 16; at++) {
      const limit = new AbortController();
      const running = machine.exec(["sleep", "4242"], { signal: limit.signal });
      setTimeout(() => limit.abort(new RangeError("enough")), at % 4);
      await assert.rejects(running, RangeError);
    }
    // A server is told by the end of the connection.
    const seen = "ps | grep -q '[s]leep 4242'";
    const { exitCode } = await machine.run(
      `for i in $(seq 100); do ${seen} || exit 0; sleep 0.1; done; exit 1`,
    );
    assert.equal(exitCode, 0);
  },
  "an input that breaks off rejects with what broke it": async (machine) => {
    async function* broken() {
      yield new TextEncoder().encode("a");
      throw new RangeError("of the caller's own");
    }
    await assert.rejects(machine.exec(["cat"], { stdin: broken() }), RangeError);
  },
};
