/**
 * An Odyn of the simulated world: the service beside every enclave that holds its wallet and its TEE key, with real keys and real cryptography.
 * One Odyn is one boot of an enclave: a node that restarts alone keeps it, a new enclave starts a new one.
 * It shares no code with the node, so that a mistake cannot agree with itself.
 */
import { createBox, newBoxKey, type Hex, type KeySchedule } from './odyn/box.ts';
import { createEndpoints } from './odyn/endpoints.ts';
import { createFaults, type Faults } from './odyn/faults.ts';
import { startServer } from './odyn/server.ts';
import { createWallet } from './odyn/wallet.ts';

export interface OdynOptions {
  /** A free port by default. */
  readonly port?: number;
  readonly keySchedule?: KeySchedule;
  /** Fresh keys by default. */
  readonly walletKey?: Hex;
  readonly boxKey?: Hex;
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
  /** Resolves when the port is free again; hung connections do not hold it up. */
  close(): Promise<void>;
}

export async function startOdyn(options: OdynOptions = {}): Promise<Odyn> {
  const wallet = createWallet(options.walletKey);
  const box = createBox(options.keySchedule ?? 'v1.8.0', options.boxKey ?? newBoxKey());
  const faults = createFaults();
  const { url, calls, close } = await startServer(createEndpoints(wallet, box), faults, options.port ?? 0);
  return { url, wallet: wallet.address, teePubkey: box.teePubkey, walletKey: wallet.walletKey, boxKey: box.boxKey, calls, faults, close };
}
