/** An option that upstream or docker has and this program does not: refused with what to do instead. */
export interface UnavailableOption {
  /** Every name, with dashes. */
  readonly names: readonly string[];
  /** Completes "… is not available in this release: ", or with `always`, "… is not needed: ". */
  readonly reason: string;
  readonly hint?: string | undefined;
  /** There is nothing to choose: it is always as this option would make it. */
  readonly always?: boolean | undefined;
}

const unavailable = (reason: string, hint: string | undefined, ...names: string[]): UnavailableOption => ({
  names,
  reason,
  hint,
});

export const LATER_OPTIONS: readonly UnavailableOption[] = [
  unavailable("a machine has the address that is free", "others of its --network find it by name", "--ip"),
  unavailable("ports are published one by one", "give -p HOST:GUEST", "--expose", "-P", "--publish-all"),
  unavailable(
    "a machine has its own volumes",
    "name the same volume for both: -v NAME:GUEST",
    "--volumes-from",
  ),
  unavailable(
    "init commands run at each start",
    "--init-once runs one at the first start only",
    "--no-init-cache",
    "--rebuild-init-cache",
  ),
  unavailable(
    "a secret is a variable of the machine",
    "--secret-env NAME=VARIABLE or --secret-file NAME=/absolute/path",
    "--secret",
  ),
  unavailable(
    "no machine has a driver for CUDA, and no device of the host's is handed over",
    "--gpu gives it a GPU for OpenGL",
    "--gpus",
    "--cuda",
    "--auto-graph",
    "--device",
  ),
  unavailable("other architectures are not translated", undefined, "--rosetta"),
  unavailable(
    "the machine's Docker is not shown on the host by itself",
    "--expose-socket /var/run/docker.sock",
    "--docker-socket",
  ),
  {
    names: ["--docker-config"],
    reason: "the logins of docker and podman are always used, and nothing of them reaches the machine",
    hint: "leave it out; DOCKER_CONFIG says where docker keeps its logins",
    always: true,
  },
  {
    names: ["--oci-cache"],
    reason: "what is pulled is always kept on the host, checked by its digest and shared by all machines",
    hint: "leave it out; `smolvm images ls` lists what is kept",
    always: true,
  },
  unavailable(
    "the machine is the boundary, and its root user may do anything inside",
    "give --user to run the command as somebody else",
    "--unprivileged",
    "--privileged",
    "--cap-add",
    "--cap-drop",
    "--security-opt",
    "--read-only",
    "--shm-size",
  ),
  unavailable("no machine depends on another one", "leave it out", "--cascade"),
  unavailable(
    "running machines are not copied",
    "`smolvm machine clone` copies one that is stopped",
    "--forkable",
    "--fork-pool-size",
  ),
  unavailable("a machine is named after --name", "give --name instead", "--hostname"),
];

/** Names that other tools use for an option of ours. */
export const OTHER_NAMES: Readonly<Record<string, string>> = {
  "--memory": "--mem",
  "-m": "--mem",
  "--ram": "--mem",
  "--cpu": "--cpus",
  "-c": "--cpus",
  "--vcpus": "--cpus",
  "--environment": "--env",
  "--working-dir": "--workdir",
  "--cwd": "--workdir",
  "--disk": "--storage",
  "--pids-limit": "--pids",
  "--no-healthcheck": "--health-cmd",
  "--restart-policy": "--restart",
  "--stop-time": "--stop-timeout",
  "--vmm": "--engine",
  "--backend": "--engine",
  "--accel": "--engine",
};
