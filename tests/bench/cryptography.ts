/** The cryptography that one derive request cannot do without, alone in one thread, and its parts. */
import { createWasmRecover } from '../../core/crypto/recover-wasm.ts';
import { deriveAppKey } from '../../core/crypto/kdf.ts';
import { parseSignature, recoverWallet } from '../../core/crypto/wallet.ts';
import { createBox } from '../simulation/odyn/box.ts';
import { createWallet } from '../simulation/odyn/wallet.ts';
import { below, figure, median } from './figures.ts';
import type { AppId, Epoch } from '../../core/identity.ts';
import type { Figure } from './figures.ts';

const SERIES = 9;

export interface CryptographyCost {
  /** One recovery, one signature of Odyn, one opening, one sealing: microseconds. */
  readonly requestUs: number;
  readonly figures: readonly Figure[];
}

/** Median of several series, microseconds for one call. */
async function cost(calls: number, work: () => unknown): Promise<number> {
  const series: number[] = [];
  for (let run = 0; run < SERIES; run += 1) {
    const startedAtMs = performance.now();
    for (let call = 0; call < calls; call += 1) await work();
    series.push(((performance.now() - startedAtMs) * 1_000) / calls);
  }
  return median(series);
}

export async function measureCryptography(onProgress: (line: string) => void): Promise<CryptographyCost> {
  const wasmRecover = await createWasmRecover();
  const wallet = createWallet();
  const text = `NovaKMS:AppAuth:${'A'.repeat(56)}:${wallet.address}:1770000000`;
  const signature = parseSignature(wallet.signText(text)) as Uint8Array;
  const [node, app] = [createBox(), createBox()];
  const request = app.sealTo(node.teePubkey, new TextEncoder().encode('{"path":"bench/12345"}'));
  const answer = new Uint8Array(200);
  const secret = new Uint8Array(32).fill(7);
  const derivation = { appId: 43n as AppId, epoch: 0 as Epoch, path: 'bench/12345', context: '', lengthBytes: 32 };

  const recoverUs = await cost(200, () => wasmRecover(text, signature));
  onProgress(`recovery, WebAssembly: ${recoverUs.toFixed(0)} µs`);
  const recoverSlowUs = await cost(50, () => recoverWallet(text, signature));
  onProgress(`recovery, JavaScript: ${recoverSlowUs.toFixed(0)} µs`);
  const signUs = await cost(100, () => wallet.signText(text));
  const openUs = await cost(100, () => node.openFrom(app.teePubkey, request));
  const sealUs = await cost(100, () => node.sealTo(app.teePubkey, answer));
  onProgress(`signature, opening and sealing: ${(signUs + openUs + sealUs).toFixed(0)} µs`);
  const deriveUs = await cost(500, () => deriveAppKey(secret, derivation));
  return {
    requestUs: recoverUs + signUs + openUs + sealUs,
    figures: [
      below(120, figure('recovery of a wallet, WebAssembly', recoverUs, 'µs', 'the binary')),
      figure('recovery of a wallet, JavaScript', recoverSlowUs, 'µs', 'under workerd'),
      figure('signature of the emulated Odyn', signUs, 'µs'),
      figure('opening an envelope, emulated Odyn', openUs, 'µs', 'P-384 ECDH, HKDF, AES-GCM'),
      figure('sealing an envelope, emulated Odyn', sealUs, 'µs'),
      figure('derivation of a key', deriveUs, 'µs', 'HKDF-SHA256, 32 bytes'),
    ],
  };
}
