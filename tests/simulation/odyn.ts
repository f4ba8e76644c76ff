/**
 * An Odyn of the simulated world: the service beside every enclave that holds its wallet and its TEE key, with real keys and real cryptography.
 * One Odyn is one boot of an enclave: a node that restarts alone keeps it, a new enclave starts a new one.
 * It shares no code with the node but the writer of DER, so that a mistake cannot agree with itself.
 */
import { PCRS } from '../attestation/attester.ts';
import { createSecurityModule, type SecurityModule } from '../attestation/module.ts';
import { noteEnclaveKeys } from '../secrecy/odyn.ts';
import { createAttestation } from './odyn/attestation.ts';
import { createBox, newBoxKey, type Hex, type KeySchedule } from './odyn/box.ts';
import { createEndpoints } from './odyn/endpoints.ts';
import { createFaults, type Faults } from './odyn/faults.ts';
import { startServer } from './odyn/server.ts';
import { createWallet } from './odyn/wallet.ts';
import type { Pcrs } from '../attestation/pcrs.ts';

export interface OdynOptions {
  /** A free port by default. */
  readonly port?: number;
  readonly keySchedule?: KeySchedule;
  /** Fresh keys by default. */
  readonly walletKey?: Hex;
  readonly boxKey?: Hex;
  /** What its enclave measures. */
  readonly pcrs?: Pcrs;
}

export interface Odyn {
  readonly url: string;
  /** Lower-case address. */
  readonly wallet: Hex;
  /** SPKI DER, lower-case hex without `0x`. */
  readonly teePubkey: string;
  readonly walletKey: Hex;
  readonly boxKey: Hex;
  /** Requests by path, those answered with a fault included. */
  readonly calls: Readonly<Record<string, number>>;
  readonly faults: Faults;
  /** Its enclave's hardware, which a test may have attest other things. */
  readonly module: SecurityModule;
  /** Resolves when the port is free again; hung connections do not hold it up. */
  close(): Promise<void>;
}

export async function startOdyn(options: OdynOptions = {}): Promise<Odyn> {
  const wallet = createWallet(options.walletKey);
  const box = createBox(options.keySchedule ?? 'v1.8.0', options.boxKey ?? newBoxKey());
  const faults = createFaults();
  noteEnclaveKeys(wallet.walletKey, box.boxKey);
  const module = createSecurityModule(options.pcrs ?? PCRS, Date.now);
  const endpoints = createEndpoints(wallet, box, createAttestation(module, wallet, box));
  const { url, calls, close } = await startServer(endpoints, faults, options.port ?? 0);
  const keys = { wallet: wallet.address, teePubkey: box.teePubkey, walletKey: wallet.walletKey, boxKey: box.boxKey };
  return { url, ...keys, calls, faults, module, close };
}
