/**
 * The networks that a build may name. What belongs to one cluster is given when it is built: its KMSRegistry, its app id, and the
 * names of its operator, in whose place are some that no release takes.
 */
import { AWS_NITRO_ROOT_G1 } from './crypto/nitro/root.ts';
import type { NetworkProfile } from './networks.ts';

/** As it is written: in texts what a node reads into bytes and wallets. */
export type NamedProfile = Omit<NetworkProfile, 'kmsRegistry' | 'kmsAppId' | 'novaAppRegistry' | 'trustedProxies' | 'attestationRoot'> & {
  readonly novaAppRegistry: string;
  readonly trustedProxies: readonly string[];
  readonly attestationRoot: string;
};

export const NAMED_PROFILES: Readonly<Record<string, NamedProfile>> = {
  'base-sepolia': {
    name: 'base-sepolia',
    chainId: 84_532,
    novaAppRegistry: '0x0f68e6e699f2e972998a1ecc000c7ce103e64cc8',
    // A block every two seconds. Twenty seconds deep: reorganisations of the sequencer's unsafe head have stayed below.
    confirmationBlocks: 10,
    headAgeMaxMs: 60_000,
    tickMs: 2_000,
    proposalWindowBlocks: 30,
    // The suffix of enclaver.yaml, and as reserved: whoever runs a cluster puts the own one there and gives it to the build.
    peerUrls: { scheme: 'https', hosts: [], hostSuffixes: ['.kms.example.com'] },
    platformProof: 'accept',
    // Like the suffix above: apps name each other by it.
    trustDomain: 'kms.example.com',
    // No proxy is believed about anybody's address; --trusted-proxies names those of a cluster.
    trustedProxies: [],
    // The platform's own clients send no document: with 'require' their apps would be locked out, as a cluster may decide for itself.
    appAttestation: 'ignore',
    attestationRoot: AWS_NITRO_ROOT_G1,
  },
};
