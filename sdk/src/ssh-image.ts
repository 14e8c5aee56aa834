/** How an image gets an SSH server that its machines run. */
import { errorOf } from "./errors.ts";

/**
 * Who is let in as root.
 *
 * @example
 * const access: SshAccess = { authorizedKeys: ["ssh-ed25519 AAAA… me"] };
 * await new ImageBuilder("alpine:3.20").ssh(access).build({ name: "box:1", network: true });
 */
export type SshAccess = { readonly password: string } | { readonly authorizedKeys: readonly string[] };

/** What machines of the image run: sshd needs a directory that images do not keep, and an absolute path. */
export const SSH_COMMAND: readonly string[] = [
  "/bin/sh",
  "-c",
  'mkdir -p /run/sshd && exec "$(command -v sshd || echo /usr/sbin/sshd)" -D -e',
];

/**
 * A script that installs sshd where there is none, makes its keys, and lets root in. For `/bin/sh`, as root.
 *
 * @throws InvalidConfigError
 */
export function sshScript(access: SshAccess): string {
  const byPassword = "password" in access;
  const lines = byPassword ? [access.password] : access.authorizedKeys;
  for (const line of lines)
    if (line === "" || /[\n\r\0]/.test(line))
      throw invalid("each password or key is one line, and not empty");
  if (lines.length === 0) throw invalid("there is no key");
  return [
    INSTALL,
    byPassword ? passwordOf(access.password) : keysOf(access.authorizedKeys),
    settings(byPassword),
  ].join("\n");
}

const INSTALL = `set -e
if ! command -v sshd >/dev/null && [ ! -x /usr/sbin/sshd ]; then
  if command -v apk >/dev/null; then apk add --no-cache openssh
  elif command -v apt-get >/dev/null; then
    apt-get update && apt-get install -y --no-install-recommends openssh-server
  else echo "the base image has neither sshd nor apk nor apt-get" >&2; exit 1
  fi
fi
ssh-keygen -A
mkdir -p /etc/ssh /root/.ssh
chmod 700 /root/.ssh`;

const passwordOf = (password: string) => `printf '%s\\n' ${quoted(`root:${password}`)} | chpasswd`;

/** sshd lets nobody in whose account is locked, which one without a password is. */
const keysOf = (
  keys: readonly string[],
) => `printf '%s\\n' ${keys.map(quoted).join(" ")} >/root/.ssh/authorized_keys
chmod 600 /root/.ssh/authorized_keys
sed -i 's/^root:[!*]*:/root:*:/' /etc/shadow`;

/** Of a setting, sshd takes the first word. */
const settings = (byPassword: boolean) => `{
  printf '%s\\n' 'PermitRootLogin yes' 'PubkeyAuthentication yes' 'PasswordAuthentication ${byPassword ? "yes" : "no"}'
  cat /etc/ssh/sshd_config
} >/etc/ssh/sshd_config.new
mv /etc/ssh/sshd_config.new /etc/ssh/sshd_config`;

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

const invalid = (message: string) =>
  errorOf({ code: "sdk.bad_request", message: `ssh: ${message}`, details: { field: "ssh" } });
