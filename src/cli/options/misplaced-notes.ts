import { warn } from "../output.ts";

/** Long options of `machine create` that stand behind `--` and so went to the workload; each once. */
const CREATE_OPTIONS =
  /^--(?:image|mem|cpus|storage|overlay|oci-platform|engine|smolfile|restart|ttl|idle-timeout|label|net|port|volume|allow-host|allow-cidr|ssh-agent|gpu)(?:=|$)/;

/** Tells the user about options that configure nothing, because they came behind the `--`. */
export async function noteMisplaced(workload: readonly string[]): Promise<void> {
  const found = workload.filter((word) => CREATE_OPTIONS.test(word)).map((word) => word.split("=", 1)[0]);
  for (const option of new Set(found))
    warn(`${option} came after \`--\` and was passed to the workload: options go before it`);
}
