/**
 * A client that knows nothing but ERC-8128 and the envelope, and no code of ours: it signs the request with the app's wallet,
 * seals it to the node's key, and believes the answer only if that node signed and sealed it. One node, one try; what the
 * package does beside that is in docs/security.md. Beside `npm start`: `npx node docs/examples/from-scratch.ts my/disk`
 */
import { createCipheriv, createDecipheriv, createECDH, createHash, hkdfSync, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { signRequest } from '@slicekit/erc8128';
import { recoverMessageAddress } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';

const [path = 'my/disk', clusterFile = new URL('../../.simulation/cluster.json', import.meta.url)] = process.argv.slice(2);
const cluster = JSON.parse(await readFile(clusterFile, 'utf8'));
// On a real network the registry names the node's wallet and key, and the app's two keys never leave its enclave's Odyn.
const [node] = cluster.nodes;
const [app] = cluster.apps;
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

/** The answer is signed over its status, its body and the signature of the request that it answers (RFC 9421). */
async function checkAnswer(request: Request, answer: Response, body: Buffer): Promise<void> {
  const input = answer.headers.get('signature-input')?.slice('eth='.length) ?? '';
  const covered = '("@status" "content-digest" "signature";req;key="eth");created=';
  const keyId = `;keyid="erc8128:${cluster.chain_id}:${node.wallet}"`;
  if (!input.startsWith(covered) || !/^\d+$/.test(input.slice(covered.length, -keyId.length)) || !input.endsWith(keyId))
    throw new Error('the answer is not signed as this node signs');
  const digest = `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;
  if (answer.headers.get('content-digest') !== digest) throw new Error('the answer has another body than was signed');
  const ours = request.headers.get('signature')?.slice('eth='.length);
  const message = `"@status": ${answer.status}\n"content-digest": ${digest}\n"signature";req;key="eth": ${ours}\n"@signature-params": ${input}`;
  const signature = `0x${Buffer.from(answer.headers.get('signature')?.slice('eth='.length) ?? '', 'base64').toString('hex')}` as const;
  const signer = await recoverMessageAddress({ message, signature });
  if (signer.toLowerCase() !== node.wallet) throw new Error('the answer is signed by another wallet, or answers another request');
}

async function derive(): Promise<{ key: string; epoch: number; block: number }> {
  const wallet = privateKeyToAccount(app.wallet_private_key);
  const signer = {
    chainId: cluster.chain_id,
    address: wallet.address,
    signMessage: (raw: Uint8Array) => wallet.signMessage({ message: { raw } }),
  };
  const request = await signRequest(
    `${node.url}/kms/derive`,
    { method: 'POST', headers: { 'content-type': 'application/json' }, body: seal(JSON.stringify({ path })) },
    signer,
  );
  const answer = await fetch(request, { redirect: 'error' });
  const body = Buffer.from(await answer.arrayBuffer());
  await checkAnswer(request, answer, body);
  if (!answer.ok) throw new Error(`${node.name} refused: ${body.toString()}`);
  return JSON.parse(open(JSON.parse(body.toString())));
}

const { key, epoch, block } = await derive();
console.log(`${Buffer.from(key, 'base64').toString('hex')}  epoch ${epoch}, judged at block ${block}`);
