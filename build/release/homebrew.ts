/** The formula by which Homebrew installs a release, on macOS and Linux. */

export interface FormulaArchive {
  /** `linux-amd64`, `darwin-arm64` */
  readonly platform: string;
  readonly name: string;
  readonly sha256: string;
}

/** Homebrew's words for platforms. */
const systems: Record<string, [os: string, cpu: string]> = {
  "linux-amd64": ["on_linux", "on_intel"],
  "linux-arm64": ["on_linux", "on_arm"],
  "darwin-arm64": ["on_macos", "on_arm"],
};

/** @param url the folder that the archives lie in. */
export function formula(version: string, url: string, archives: readonly FormulaArchive[]): string {
  const blocks = archives.map(({ platform, name, sha256 }) => {
    const [os, cpu] = systems[platform] ?? [];
    if (!os) throw new Error(`Homebrew does not know the platform ${platform}`);
    return `  ${os} do
    ${cpu} do
      url "${url}/${name}"
      sha256 "${sha256}"
    end
  end
`;
  });
  return `class Smolvm < Formula
  desc "Boots any container image as a microVM from one file, without a daemon"
  homepage "${url}"
  version "${version}"
  license "Apache-2.0"

${blocks.join("\n")}
  def install
    bin.install "bin/smolvm"
    man1.install Dir["share/man/man1/*.1"]
    bash_completion.install "share/bash-completion/completions/smolvm"
    zsh_completion.install "share/zsh/site-functions/_smolvm"
    fish_completion.install "share/fish/vendor_completions.d/smolvm.fish"
    doc.install Dir["share/doc/smolvm/*"]
  end

  test do
    assert_equal "smolvm #{version}\\n", shell_output("#{bin}/smolvm --version")
  end
end
`;
}
