import { expect, test } from "bun:test";
import { defaultNetwork } from "../model/index.ts";
import { parsePorts } from "../model/parse-ports.ts";
import { planNetwork } from "./network.ts";

test("no network card unless something asks for one; ports alone open nothing outside", () => {
  expect(planNetwork({ network: null, ports: [] })).toBeNull();
  const ports = [...(parsePorts("80") ?? [])];
  expect(planNetwork({ network: null, ports })?.policy.egress).toBe("none");
  expect(planNetwork({ network: { ...defaultNetwork, egress: "all" }, ports })?.policy.egress).toBe("all");
});

test("names with addresses of their own", () => {
  const addHosts = ["db:10.0.0.1", "db:10.0.0.2", "me:host-gateway"];
  expect(planNetwork({ network: { ...defaultNetwork, addHosts }, ports: [] })?.names).toEqual([
    ["db", ["10.0.0.1", "10.0.0.2"]],
    ["me", ["100.96.0.1", "fd00:53:4d::1"]],
  ]);
});
