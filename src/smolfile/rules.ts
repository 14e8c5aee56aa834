import type { Problem } from "./problem.ts";
import type { SmolfileContent } from "./schema.ts";

/** What is wrong with keys beside each other, each of which is right by itself. */
export function ruleProblems(content: SmolfileContent): Problem[] {
  return [...forkProblems(content), ...serviceProblems(content), ...secretProblems(content)];
}

const bad = (path: readonly string[], message: string, hint?: string): Problem => ({
  code: "smolfile.bad_value",
  path,
  message,
  hint,
});

function forkProblems({ fork, cuda, auto_graph }: SmolfileContent): Problem[] {
  const problems: Problem[] = [];
  if (fork?.pool_size !== undefined && cuda !== true && auto_graph !== true)
    problems.push(bad(["fork", "pool_size"], "fork.pool_size requires cuda = true"));
  if (fork?.cuda_vram_limit_mib !== undefined && fork.pool_size === undefined)
    problems.push(bad(["fork", "cuda_vram_limit_mib"], "fork.cuda_vram_limit_mib requires pool_size"));
  return problems;
}

function serviceProblems({ service }: SmolfileContent): Problem[] {
  if (service?.port === undefined || service.listen === undefined) return [];
  return [bad(["service", "listen"], "service.listen is another name of service.port, and both are here")];
}

function secretProblems({ secrets = {} }: SmolfileContent): Problem[] {
  return Object.entries(secrets).flatMap(([name, { from_env, from_file }]) => {
    const path = ["secrets", name];
    if (/[=\s]/.test(name)) return [bad(path, "a secret is named as a variable is: without = and blanks")];
    if ((from_env === undefined) !== (from_file === undefined)) return [];
    return [
      bad(path, `secrets.${name} must have exactly one source`, "give it either from_env or from_file"),
    ];
  });
}
