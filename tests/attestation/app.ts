/** An app's enclave: a wallet, and hardware that vouches for what it signs as the Odyn beside it has it done. */
import { SECP256K1_SPKI_HEAD } from '../../core/crypto/spki.ts';
import { personalDigest } from '../../core/crypto/wallet.ts';
import { base64, parseHex, utf8 } from '../../core/wire/bytes.ts';
import { createWallet } from '../simulation/odyn/wallet.ts';
import { createSecurityModule } from './module.ts';
import { PCRS } from './attester.ts';
import type { Clock } from '../../core/ports.ts';
import type { Wallet } from '../../core/identity.ts';
import type { Asked, SecurityModule } from './module.ts';

export interface TestApp {
  readonly wallet: Wallet;
  readonly module: SecurityModule;
  sign(text: string): `0x${string}`;
  /** What a good document for that signed text holds. */
  claim(text: string): Asked & { readonly publicKey: Uint8Array };
  /** The header that goes with a proof of that text, with what a test changes of it. */
  header(text: string, change?: Partial<Asked>): string;
}

export function createTestApp(clock: Clock): TestApp {
  const key = createWallet();
  const module = createSecurityModule(PCRS, () => clock.nowMs());
  const publicKey = parseHex(SECP256K1_SPKI_HEAD + key.publicKey.slice(2)) as Uint8Array;
  const app: TestApp = {
    wallet: key.address as Wallet,
    module,
    sign: (text) => key.signText(text),
    claim: (text) => ({ publicKey, nonce: personalDigest(text), userData: utf8(`{"eth_addr":"${key.address}"}`) }),
    header: (text, change = {}) => base64(module.attest({ ...app.claim(text), ...change })),
  };
  return app;
}

/** The same hardware, set so for one document. */
export function bent<T>(module: SecurityModule, change: Partial<SecurityModule>, make: () => T): T {
  const before = { ...module };
  Object.assign(module, change);
  try {
    return make();
  } finally {
    Object.assign(module, before);
  }
}
