import { describe, expect } from "bun:test";
import { connect } from "node:net";
import { SMALL, useMachines } from "../support/machines.ts";
import { until } from "../support/process.ts";
import { onBoth } from "../support/register.ts";

/** Ports of the host that lead into a machine. */

const home = useMachines();

/** Everything that somebody at a port says, or how it could not be reached. */
function hear(port: number, host = "127.0.0.1"): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let heard = "";
  const socket = connect({ port, host });
  socket.on("data", (chunk) => {
    heard += chunk;
  });
  socket.on("error", (error) => resolve((error as NodeJS.ErrnoException).code ?? "error"));
  socket.on("close", () => resolve(heard));
  return promise;
}

const SERVERS =
  "nc -lk -p 8080 -e echo one & nc -lk -p 8081 -e echo two & while :; do nc -lu -p 5353 -e cat; done & exec sleep 1000";

describe("published ports", () => {
  let port = 0;

  onBoth(
    "lead to a program of the machine, at the port that was free",
    async () => {
      await home.ok(
        "run",
        "-d",
        "--name",
        "web",
        ...SMALL,
        "-p",
        "0:8080",
        "-p",
        "0:5353/udp",
        "--",
        "sh",
        "-c",
        SERVERS,
      );
      const { network, ports, published, network_policy } = await home.state("web");
      expect({ network, ports, network_policy }).toEqual({ network: true, ports: 2, network_policy: null });
      expect(published).toMatchObject([
        { address: "127.0.0.1", guest_port: 8080, protocol: "tcp" },
        { address: "127.0.0.1", guest_port: 5353, protocol: "udp" },
      ]);
      port = published[0]?.host_port ?? 0;
      await until("the server to listen", async () => (await hear(port)) === "one\n");
      expect(await hear(port, "::1")).toBe("ECONNREFUSED");
      expect(await home.ok("ls", "-v")).toContain(`  Port: 127.0.0.1:${port}:8080\n`);
      const { promise: echoed, resolve } = Promise.withResolvers<string>();
      const udp = await Bun.udpSocket({
        connect: { hostname: "127.0.0.1", port: published[1]?.host_port ?? 0 },
        socket: { data: (_, data) => resolve(data.toString()) },
      });
      udp.send("over udp");
      expect(await echoed).toBe("over udp");
      udp.close();
    },
    120,
  );

  onBoth("that another machine has are refused at the start, with its name", async () => {
    await home.create("second", "-p", `${port}:80`);
    expect(await home.refusal("start", "second")).toMatchObject({
      code: "port.in_use",
      message: `host port ${port} is already in use by running machine 'web'`,
    });
    expect((await home.state("web")).state).toBe("running");
    await home.ok("delete", "-f", "second");
  });

  onBoth("come and go while it runs, and nothing else does", async () => {
    const changed = await home.ok("update", "web", "-p", "0:8081", "--remove-port", "0:5353/udp");
    expect(changed).toEndWith("Changes have taken effect\n");
    const { published } = await home.state("web");
    expect(published.map(({ guest_port }) => guest_port)).toEqual([8080, 8081]);
    expect([await hear(port), await hear(published[1]?.host_port ?? 0)]).toEqual(["one\n", "two\n"]);
    expect(await home.refusal("update", "web", "-p", "0:8082", "--cpus", "2")).toMatchObject({
      code: "machine.running",
    });
    expect(await home.refusal("update", "web", "-p", `${port}:8082`)).toMatchObject({ code: "port.in_use" });
    expect((await home.state("web")).ports).toBe(2);
    await home.ok("stop", "web");
    expect(await hear(port)).toBe("ECONNREFUSED");
  });
});
