import { Home } from "../test/support/home.ts";
import { program } from "../test/support/program.ts";
import { measureCommand } from "./support/measure.ts";
import { compare } from "./support/rounds.ts";
import { printComparison } from "./support/table.ts";

/** Commands that only answer, against docker's command line. */

const home = new Home();
try {
  const total =
    (...command: string[]) =>
    async () =>
      (await measureCommand(command, { env: home.env })).total;
  const docker = "docker --version";
  const samples = await compare(
    [
      { name: docker, measure: total("docker", "--version") },
      { name: "smolvm --version", measure: total(program, "--version") },
      { name: "smolvm --help", measure: total(program, "--help") },
      { name: "smolvm machine ls", measure: total(program, "machine", "ls") },
    ],
    { rounds: 40, warmUp: 3 },
  );
  const note = Bun.which("docker") === null ? " (no docker command line on this machine)" : "";
  printComparison(`Commands that only answer${note}`, samples, docker);
} finally {
  home.remove();
}
