import type { Component, Manifest } from "../../src/assets/types.ts";
import { EPOCH_SECONDS } from "../host.ts";

/** The manifest of components as a software bill of materials that scanners read: SPDX 2.3 as JSON. */

const NO_ASSERTION = "NOASSERTION";

/** An SPDX licence expression (SPDX 2.3 annex D); other texts tell where the licence is to be found. */
const expression = /^\(*[A-Za-z0-9.+-]+\)*( (AND|OR|WITH) \(*[A-Za-z0-9.+-]+\)*)*$/;

export function sbom({ version, buildId, platform, components }: Manifest): string {
  const own = {
    ...packageOf("SPDXRef-smolvm", "smolvm", version),
    licenseDeclared: "Apache-2.0",
    primaryPackagePurpose: "APPLICATION",
  };
  const others = components.map((component, index) => componentPackage(component, `SPDXRef-${index + 1}`));
  return `${JSON.stringify(
    {
      spdxVersion: "SPDX-2.3",
      dataLicense: "CC0-1.0",
      SPDXID: "SPDXRef-DOCUMENT",
      name: `smolvm-${version}-${platform}`,
      documentNamespace: `https://spdx.org/spdxdocs/smolvm-${version}-${platform}-${buildId}`,
      creationInfo: {
        created: new Date(EPOCH_SECONDS * 1000).toISOString().replace(".000", ""),
        creators: [`Tool: smolvm-build-${version}`],
      },
      packages: [own, ...others],
      relationships: [
        relationship("SPDXRef-DOCUMENT", "DESCRIBES", own.SPDXID),
        ...others.map(({ SPDXID }) => relationship(own.SPDXID, "CONTAINS", SPDXID)),
      ],
    },
    null,
    1,
  )}\n`;
}

function packageOf(id: string, name: string, version: string) {
  return {
    SPDXID: id,
    name,
    versionInfo: version,
    downloadLocation: NO_ASSERTION,
    filesAnalyzed: false,
    licenseConcluded: NO_ASSERTION,
    licenseDeclared: NO_ASSERTION,
    copyrightText: NO_ASSERTION,
  };
}

function componentPackage({ name, version, source, licence, sha256, part }: Component, id: string) {
  const isExpression = expression.test(licence);
  return {
    ...packageOf(id, name, version),
    sourceInfo: source,
    ...(isExpression ? { licenseDeclared: licence } : { licenseComments: licence }),
    ...(sha256 && { checksums: [{ algorithm: "SHA256", checksumValue: sha256 }] }),
    comment: `in the part "${part}"`,
  };
}

const relationship = (from: string, type: string, to: string) => ({
  spdxElementId: from,
  relationshipType: type,
  relatedSpdxElement: to,
});
