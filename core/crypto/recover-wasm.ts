/**
 * `Recover` by libsecp256k1 compiled to WebAssembly: the answers of `recoverWallet` in a seventh of the time. Not for workerd,
 * which compiles no WebAssembly from bytes.
 */
// The file, not the package: its root awaits five WebAssembly instances at import, and no CommonJS bundle can hold that.
import { instantiateSecp256k1 } from '@bitauth/libauth/build/lib/crypto/secp256k1.js';
import { personalDigest, recoveryBit, walletOf } from './wallet.ts';
import type { Recover } from '../ports.ts';

/** An instance with a memory of its own, of fixed size. Rejects where WebAssembly does not load. */
export async function createWasmRecover(): Promise<Recover> {
  const { recoverPublicKeyUncompressed } = await instantiateSecp256k1();
  return (text, signature) => {
    const recovery = recoveryBit(signature);
    if (recovery === undefined) return undefined;
    const publicKey = recoverPublicKeyUncompressed(signature.subarray(0, 64), recovery, personalDigest(text));
    // A string says why there is none: the r is no point's, or the key would be infinity.
    return typeof publicKey === 'string' ? undefined : walletOf(publicKey);
  };
}
