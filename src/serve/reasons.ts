/** Which code of this API stands for each of smolvm's own errors (docs/errors.md). */
import type { ProblemCode } from "./errors.ts";

/** Every error that a request can end with. */
const REASONS: Partial<Record<ProblemCode, string>> = {
  BAD_REQUEST: `
    container.ambiguous container.bad_root container.bad_volume
    copy.bad_archive copy.guest_file copy.in_the_way copy.no_target
    exec.bad_cwd exec.bad_request exec.bad_user exec.failed exec.not_executable exec.not_found
    image.ambiguous image.ambiguous_name image.bad_archive image.bad_change image.bad_entry image.bad_file_name
    image.bad_layer image.bad_manifest image.digest_mismatch image.is_a_pack image.limit image.no_such_file
    image.no_such_tag image.not_an_image image.not_built image.several_references image.too_large
    image.unknown_format image.unreadable image.unsupported_compression image.wrong_platform
    machine.bad_name machine.bad_network machine.bad_request machine.bad_setting machine.disk_shrink
    machine.no_health machine.no_mount
    network.unresolved
    pack.bad_archive pack.bad_key pack.bad_signature pack.damaged pack.limit pack.not_a_pack pack.not_signed
    pack.reaches_host pack.secrets pack.unreadable pack.unsupported pack.wrong_platform
    port.duplicate port.failed
    process.ambiguous
    registry.bad_proxy registry.bad_reference
    run.bad_workdir run.image_as_command run.no_command run.stdin_taken
    volume.bad_name volume.no_source volume.not_shareable volume.protected
    workspace.bad_path workspace.inside_removed`,
  FORBIDDEN: "port.not_allowed registry.denied registry.unauthorized",
  NOT_FOUND: `
    container.not_found copy.not_found image.not_cached image.not_found machine.not_found pack.not_found
    process.not_found registry.not_found volume.not_found`,
  // The machine, its image, or what it is lent, is not as the request needs it, and may be so another time.
  CONFLICT: `
    container.image container.kernel container.not_running container.running container.storage container.stuck
    container.too_many
    copy.killed
    disk.damaged disk.no_limit disk.repair_failed disk.unclean
    engine.bad_spec engine.no_gpu engine.no_memory engine.no_shares engine.too_many_devices
    exec.no_root
    image.in_use image.removed
    machine.boot_failed machine.busy machine.damaged machine.differs machine.ephemeral machine.exists machine.failed
    machine.init_failed machine.lost machine.newer machine.no_disks machine.not_running machine.other_version
    machine.running machine.stopped machine.stuck machine.unsupported
    network.full
    process.ended process.too_many
    root.exists step.failed
    run.other_architecture
    secret.bad_file secret.not_set secret.too_large secret.unreadable
    socket.exists socket.guest socket.unusable
    ssh_agent.none ssh_agent.unreachable
    volume.changed volume.in_use volume.unreadable
    workspace.busy workspace.damaged workspace.folder_missing workspace.has_changes workspace.newer workspace.none`,
  PORT_IN_USE: "port.in_use",
  TIMEOUT: "machine.wait_timeout run.timeout",
  PAYLOAD_TOO_LARGE: "copy.limit protocol.too_large protocol.too_many workspace.patch_limit",
  NO_SPACE: `
    assets.no_space container.storage_full copy.guest_full copy.no_space disk.no_space image.no_space
    machine.no_space pack.no_space`,
  // A registry's, or a machine's, that does not tell the truth.
  BAD_GATEWAY: `
    copy.malformed
    registry.bad_answer registry.broken_connection registry.digest_mismatch registry.not_https registry.stalled
    registry.tls registry.too_large registry.unreachable`,
  // This host cannot, or not now.
  UNAVAILABLE: `
    assets.removed
    confine.missing
    engine.no_libkrun engine.no_template engine.qemu_missing engine.requested_unavailable engine.unavailable engine.unknown
    engine.unsupported_host
    network.busy
    pack.runtime_damaged
    registry.rate_limited registry.unavailable`,
  // Failures of the server's own, or of its user's files.
  INTERNAL_ERROR: `
    agent.bad_request agent.entropy_failed agent.rest_failed
    clock.failed connect.failed fuse.failed listen.failed replay.failed
    assets.cache_unwritable assets.damaged_program assets.missing assets.not_built assets.unpack_failed
    config.bad_environment config.bad_toml config.bad_value config.editor_failed config.missing_file config.no_editor
    config.no_home config.password_env config.relative_path config.too_large config.unknown_key config.unreadable
    config.unsafe_runtime_dir config.unwritable
    confine.bad_mode confine.failed confine.forbidden_call
    copy.host_file
    disk.unusable
    engine.bad_gpu engine.bad_libkrun engine.bad_qemu engine.file_unusable engine.krun_failed engine.spawn_failed
    engine.template_failed engine.vmm_failed
    image.cache_unusable image.layer_damaged image.save_failed image.write_failed
    machine.bad_template_mode machine.network_failed machine.unwritable
    pack.no_runtime pack.unwritable
    volume.not_removed`,
};

/** Areas of the command line and of other programs: no request asks for what they do. */
export const UNASKED: ReadonlySet<string> = new Set([
  ...["autostart", "cli", "credentials", "docker", "mcp", "sdk", "serve", "smolfile", "update"],
]);

/** Whose words name files of the server's user that no answer tells of. */
const PRIVATE = new Set(
  wordsOf(
    `secret.bad_file secret.too_large secret.unreadable socket.exists socket.unusable ssh_agent.unreachable`,
  ),
);

function wordsOf(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

/** Pairs of an error's code and this API's. */
export const reasons: readonly (readonly [reason: string, code: ProblemCode])[] = Object.entries(
  REASONS,
).flatMap(([code, text]) => wordsOf(text).map((reason) => [reason, code as ProblemCode] as const));

const codes = new Map(reasons);

/** Of what nobody has thought of here, this side is to blame. */
export const codeOf = (reason: string): ProblemCode => codes.get(reason) ?? "INTERNAL_ERROR";

export const isPrivate = (reason: string): boolean => PRIVATE.has(reason);
