/**
 * Where the changes of a workspace are, in its machine's directory: another folder, or another place in the guest, is
 * another workspace.
 */
export function workspaceIn(
  directory: string,
  { source, target }: { readonly source: string; readonly target: string },
): string {
  const id = new Bun.CryptoHasher("sha256").update(`${source}\0${target}`).digest("hex").slice(0, 16);
  return `${directory}/workspaces/${id}`;
}
