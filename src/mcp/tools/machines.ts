import { array, maxLength, picklist, pipe, strictObject, string } from "valibot";
import { SmolError } from "../../errors.ts";
import { type MachineInfo, machineJson, workloadLog } from "../../machine/index.ts";
import { count } from "../../serve/schema/fields.ts";
import { Bounded } from "../output.ts";
import { listOf } from "./result.ts";
import { type Call, field, hosts, type Outcome, shortName, tool } from "./tool.ts";

export const machinesTool = tool({
  name: "machines",
  description:
    "Machines of this server. list; create one with a name, for exec and the file tools; status; logs of its image's " +
    "own program; delete with all its files. They end with the server, and when they are not used.",
  schema: strictObject({
    action: picklist(["list", "create", "status", "logs", "delete"]),
    name: field(shortName, "All but list."),
    image: field(pipe(string(), maxLength(500)), "create: OCI image."),
    cpus: field(count(1, 1024), "create."),
    memory_mb: field(count(64, 1_048_576), "create."),
    network: field(hosts, "create: hosts to allow; [] for none. Default: all that the server allows."),
    ports: field(
      pipe(array(count(1, 65_535)), maxLength(16)),
      "create: its TCP ports to open on the host's loopback.",
    ),
  }),
  annotations: { title: "Machines", readOnlyHint: false, destructiveHint: true },
  run: async ({ action, name, ...wanted }, call) => {
    const { machines, signal, leftMs } = call;
    if (action === "list") {
      const told = machines.list().map((one) => summaryOf(one.name, one.info));
      return listOf("machines", told, machines.ceilings.maxOutputBytes);
    }
    if (name === undefined) throw new SmolError("mcp.bad_arguments", `name: ${action} needs one`);
    if (action === "create") await machines.create(name, wanted, leftMs(), signal);
    if (action === "logs") return await logs(call, name);
    if (action === "delete") {
      await machines.delete(name);
      return { text: `deleted ${name}`, structured: { deleted: name } };
    }
    const told = summaryOf(name, machines.info(name));
    return { text: JSON.stringify(told), structured: told };
  },
});

/** A machine in few words. */
function summaryOf(name: string, info: MachineInfo): Record<string, unknown> {
  const { record, state } = info;
  return {
    name,
    state: machineJson(info).state,
    image: record?.image ?? "built-in",
    cpus: record?.cpus,
    memory_mb: record?.memoryMib,
    ports: state?.ports?.map(({ host, guest }) => ({ host, guest })),
  };
}

async function logs({ machines }: Call, name: string): Promise<Outcome> {
  // Only a machine of this server.
  machines.info(name);
  const output = new Bounded(machines.ceilings.maxOutputBytes);
  for await (const { bytes } of workloadLog(machines.context, machines.realName(name))) output.add(bytes);
  const text = output.text();
  return { text, structured: { name, log: text } };
}
