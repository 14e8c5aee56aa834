import { ExitCode } from "../../../errors.ts";
import { print, printJson } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";

export const doctor = command({
  path: ["doctor"],
  kind: "status",
  duration: "med",
  summary: "Say which engines work on this host, and what to do about the others",
  options: { json: flag({ long: "json", description: "Print a JSON object" }) },
  text: `Tries each engine on this host and says whether it works, why not, and what to do about it: a CPU
feature, a permission, a package to install. krun needs hardware virtualization that really works;
qemu runs anywhere that qemu-system is installed, more slowly without it. Of each that works it says
whether its machines can have a GPU (--gpu), and which. Says too what of this host
confines the process of a machine's VM: Landlock, seccomp, namespaces, a cgroup, as root a user of
its own. "saved guests" are those from which machines on qemu go on instead of booting.

Exit code: 0 when an engine works and smolvm's directories can be written, else 1.`,
  examples: [{ command: "smolvm doctor" }, { command: "smolvm doctor --json" }],
  /** Resolves to 0 when a machine can run here. */
  run: async ({ values }) => {
    const [
      { assetPath, hasAsset },
      { resolvePaths },
      { collectDoctorReport },
      { libkrunSource },
      { TemplateStore },
    ] = await Promise.all([
      import("../../../assets/index.ts"),
      import("../../../config/paths.ts"),
      import("../../../engine/index.ts"),
      import("../../../machine/plan/index.ts"),
      import("../../../machine/template/index.ts"),
    ]);
    const paths = resolvePaths();
    // A directory that cannot be written is what the report is there to say.
    const asset = async (name: "launcher" | "kernel") =>
      hasAsset(name) ? await assetPath(name, paths.cache).catch(() => undefined) : undefined;
    const libkrun = libkrunSource({ paths, environment: process.env });
    const [launcher, kernel] = [await asset("launcher"), await asset("kernel")];
    const host = await collectDoctorReport({ paths, libkrun, launcher, kernel });
    const report = { ...host, templates: new TemplateStore(paths.cache).report() };
    if (values.json) {
      await printJson(report);
    } else {
      const { formatReport } = await import("../../show/doctor.ts");
      await print(formatReport(report));
    }
    return report.ok ? 0 : ExitCode.failure;
  },
});
