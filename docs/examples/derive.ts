/**
 * A whole client of the running cluster (`npm start`): it proves an app's wallet, sends a sealed request and believes the
 * answer only when the node that the registry names has sealed and signed it. `npx node docs/examples/derive.ts my/disk`
 */
import { createCipheriv, createDecipheriv, createECDH, hkdfSync, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { recoverMessageAddress } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';

const [path = 'my/disk', clusterFile = new URL('../../.simulation/cluster.json', import.meta.url)] = process.argv.slice(2);
const cluster = await readFile(clusterFile, 'utf8').catch(() => {
  throw new Error('no cluster is running here: start one with npm start');
});
const { nodes, apps } = JSON.parse(cluster);
// On a real network the registry names the node's wallet and key, and the app's two keys never leave its enclave's Odyn.
const [node] = nodes;
const [app] = apps;
const bytes = (hex: string) => Buffer.from(hex.replace(/^0x/, ''), 'hex');

// The app's TEE key, P-384. A registered key is an SPKI header of 23 bytes before the curve point of 97.
const tee = createECDH('secp384r1');
tee.setPrivateKey(bytes(app.tee_private_key));
const nodePoint = bytes(node.tee_pubkey).subarray(23);

/** The platform's key schedule (v1.8.0 and later): ECDH, then HKDF over both points in order and the nonce. */
function sharedKey(nonce: Buffer): Buffer {
  const points = [tee.getPublicKey(), nodePoint].sort(Buffer.compare);
  return Buffer.from(hkdfSync('sha256', tee.computeSecret(nodePoint), Buffer.concat([...points, nonce]), 'capsule-ecdh-aes256gcm-v1', 32));
}

function seal(text: string): string {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', sharedKey(nonce), nonce);
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return JSON.stringify({ sender_tee_pubkey: app.tee_pubkey, nonce: nonce.toString('hex'), encrypted_data: sealed.toString('hex') });
}

function open(envelope: { sender_tee_pubkey: string; nonce: string; encrypted_data: string }): string {
  if (envelope.sender_tee_pubkey !== node.tee_pubkey) throw new Error('sealed by another key than the registry names');
  const nonce = bytes(envelope.nonce).subarray(0, 12);
  const sealed = bytes(envelope.encrypted_data);
  const decipher = createDecipheriv('aes-256-gcm', sharedKey(nonce), nonce, { authTagLength: 16 });
  decipher.setAuthTag(sealed.subarray(-16));
  return decipher.update(sealed.subarray(0, -16), undefined, 'utf8') + decipher.final('utf8');
}

async function derive(): Promise<{ key: string; epoch: number; block: number }> {
  const { nonce } = await (await fetch(`${node.url}/nonce`)).json();
  const timestamp = Math.floor(Date.now() / 1000);
  const wallet = privateKeyToAccount(app.wallet_private_key);
  const signature = await wallet.signMessage({ message: `NovaKMS:AppAuth:${nonce}:${node.wallet}:${timestamp}` });
  const headers = {
    'content-type': 'application/json',
    'x-app-signature': signature,
    'x-app-nonce': nonce,
    'x-app-timestamp': String(timestamp),
  };
  const answer = await fetch(`${node.url}/kms/derive`, { method: 'POST', headers, body: seal(JSON.stringify({ path })) });
  if (!answer.ok) throw new Error(`${node.name} refused: ${await answer.text()}`);
  const proof = answer.headers.get('x-kms-response-signature') as `0x${string}`;
  const signer = await recoverMessageAddress({ message: `NovaKMS:Response:${signature}:${node.wallet}`, signature: proof });
  if (signer.toLowerCase() !== node.wallet) throw new Error('the answer is signed by another wallet');
  return JSON.parse(open(await answer.json()));
}

const { key, epoch, block } = await derive();
console.log(`${Buffer.from(key, 'base64').toString('hex')}  epoch ${epoch}, judged at block ${block}`);
