import { expect } from "bun:test";
import { useMachines } from "../support/machines.ts";
import { engine } from "../support/program.ts";
import { onBoth } from "../support/register.ts";

/** The life of a machine in short: also for engines on which there is no time for more. */

const home = useMachines();

onBoth(
  "a machine is created, started, used, stopped and started again with its files, and deleted",
  async () => {
    await home.create("box", "-e", "WHO=me", "--", "sh", "-c", "echo up as $WHO; exec sleep 1000");
    expect(await home.state("box")).toMatchObject({ state: "created" });
    await home.ok("start", "box");
    expect(await home.state("box")).toMatchObject({ state: "running", engine, workload: { running: true } });
    expect(await home.sh("box", "echo kept | tee /root/kept /storage/kept; ps -o args")).toContain(
      "sleep 1000",
    );
    const id = (await home.ok("exec", "-d", "-n", "box", "--", "sh", "-c", "echo detached; exit 4")).trim();
    expect(await home.ok("wait", "box", id)).toBe("4\n");
    expect(await home.ok("logs", "box", id)).toBe("detached\n");
    await home.ok("stop", "box");
    expect(await home.state("box")).toMatchObject({ state: "stopped", workload: { signal: 15 } });
    await home.ok("start", "box");
    expect(await home.sh("box", "cat /root/kept /storage/kept; echo $WHO")).toBe("kept\nkept\nme\n");
    expect(await home.ok("logs", "box")).toBe("up as me\nup as me\n");
    await home.ok("delete", "-f", "box");
    expect(await home.names()).toEqual([]);
    await home.expectNothingLeft();
  },
  90,
);
