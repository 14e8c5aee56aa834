import { hasAsset } from "../../assets/index.ts";
import { resolvePaths } from "../../config/paths.ts";
import { collectDoctorReport } from "../../engine/index.ts";
import { ExitCode } from "../../errors.ts";
import { print } from "../output.ts";
import type { doctorOptions } from "../table/system.ts";
import type { Invocation } from "../table/types.ts";
import { formatReport } from "./doctor-text.ts";

/** `doctor`. Resolves to 0 when a machine can run here. */
export async function run({ values }: Invocation<typeof doctorOptions>): Promise<number> {
  const report = await collectDoctorReport({ paths: resolvePaths(), hasLibkrun: hasAsset("libkrun") });
  await print(values.json ? `${JSON.stringify(report, null, 2)}\n` : formatReport(report));
  return report.ok ? 0 : ExitCode.failure;
}
