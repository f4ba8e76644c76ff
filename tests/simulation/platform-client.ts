/**
 * A platform app as the strictest real client behaves: it reads the node's keys from `/status`, compares them with the
 * registry character for character, proves itself over a fresh nonce, seals, and believes an answer only when its signature
 * and its sender are the node's. It shares no code with the node.
 */
import { recoverMessageAddress, toHex } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import type { Hex } from 'viem';
import type { Box } from './odyn/box.ts';

/** An app's enclave: its wallet key and the box of its TEE key. */
export interface PlatformApp {
  readonly walletKey: Hex;
  readonly box: Box;
}

/** What the registry says of a node. */
export interface NodeKeys {
  readonly url: string;
  readonly wallet: string;
  readonly teePubkey: string;
}

export interface SealedAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** As it came over the wire. */
  readonly wire: string;
  /** Opened, when the answer was an envelope. */
  readonly body: Record<string, unknown> | undefined;
}

/** Everything of one request that a test may want to bend. */
export interface RequestParts {
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** Without a request there is no body, as in a `GET`. */
export async function platformRequest(app: PlatformApp, node: NodeKeys, request?: Record<string, unknown>): Promise<RequestParts> {
  const nonce = ((await (await fetch(`${node.url}/nonce`)).json()) as { nonce: string }).nonce;
  return {
    headers: await platformProof(app, node.wallet, nonce, Math.floor(Date.now() / 1_000)),
    body: request ? sealedBody(app, node, JSON.stringify(request)) : '',
  };
}

/** The four proof headers; v is 0 or 1 as Odyn writes it. */
export async function platformProof(
  app: PlatformApp,
  nodeWallet: string,
  nonce: string,
  timestamp: number | string,
): Promise<Record<string, string>> {
  const account = privateKeyToAccount(app.walletKey);
  const signature = await account.signMessage({ message: `NovaKMS:AppAuth:${nonce}:${nodeWallet}:${timestamp}` });
  const v = Number.parseInt(signature.slice(-2), 16) - 27;
  return {
    'x-app-signature': `${signature.slice(0, -2)}${v.toString(16).padStart(2, '0')}`,
    'x-app-nonce': nonce,
    'x-app-timestamp': String(timestamp),
    'x-app-wallet': account.address.toLowerCase(),
  };
}

export function sealedBody(app: PlatformApp, node: NodeKeys, plaintext: string): string {
  const { nonce, encryptedData } = app.box.sealTo(node.teePubkey, Buffer.from(plaintext));
  return JSON.stringify({ sender_tee_pubkey: app.box.teePubkey, nonce, encrypted_data: encryptedData });
}

export async function send(node: NodeKeys, path: string, { headers, body }: RequestParts, method = 'POST'): Promise<Response> {
  if (method === 'GET') return fetch(`${node.url}${path}`, { headers });
  return fetch(`${node.url}${path}`, { method, headers: { 'content-type': 'application/json', ...headers }, body });
}

/** One whole call. Throws when the node is not the one that the registry names, or its answer is not its own. */
export async function call(
  app: PlatformApp,
  node: NodeKeys,
  path: string,
  request?: Record<string, unknown>,
  method = request ? 'POST' : 'GET',
): Promise<SealedAnswer> {
  await checkStatus(node);
  const parts = await platformRequest(app, node, request);
  const response = await send(node, path, parts, method);
  const wire = await response.text();
  if (!response.ok) return { status: response.status, headers: response.headers, wire, body: undefined };
  await checkSignature(node, parts.headers['x-app-signature'] ?? '', response.headers.get('x-kms-response-signature'));
  const envelope = JSON.parse(wire) as Record<string, string>;
  const { sender_tee_pubkey: sender = '', nonce = '', encrypted_data: encryptedData = '' } = envelope;
  if (sender !== node.teePubkey) throw new Error('the answer was sealed by another key than the registry names');
  const plaintext = Buffer.from(app.box.openFrom(sender, { nonce, encryptedData })).toString('utf8');
  return { status: response.status, headers: response.headers, wire, body: JSON.parse(plaintext) as Record<string, unknown> };
}

async function checkStatus(node: NodeKeys): Promise<void> {
  const response = await fetch(`${node.url}/status`);
  const { node: told } = (await response.json()) as { node: { tee_wallet: string; tee_pubkey: string } };
  if (told.tee_wallet !== node.wallet || told.tee_pubkey !== node.teePubkey)
    throw new Error('the node is not the one that the registry names');
}

/** v must be 0 to 3, as the platform's client wants it. */
async function checkSignature(node: NodeKeys, clientSignature: string, header: string | null): Promise<void> {
  const v = Number.parseInt(header?.slice(-2) ?? '', 16);
  if (!header || !(v >= 0 && v <= 3)) throw new Error('the answer is not signed as the platform’s client wants it');
  const signature = `${header.slice(0, -2)}${toHex(v + 27).slice(2)}` as Hex;
  const signer = await recoverMessageAddress({ message: `NovaKMS:Response:${clientSignature}:${node.wallet}`, signature });
  if (signer.toLowerCase() !== node.wallet) throw new Error('the answer is signed by another wallet');
}
