/**
 * An app that knows ERC-8128 and the envelope and nothing else: requests signed by an independent library, answers checked by
 * another. It shares no code with the node.
 */
import { createHash } from 'node:crypto';
import { signRequest } from '@slicekit/erc8128';
import { httpbis } from 'http-message-signatures';
import { recoverMessageAddress, toHex } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { sealedBody } from './platform-client.ts';
import type { SignOptions } from '@slicekit/erc8128';
import type { NodeKeys, PlatformApp, SealedAnswer } from './platform-client.ts';

export interface SignedRequestOptions {
  readonly chainId: number;
  readonly path?: string;
  readonly method?: string;
  /** What is sealed; or the body itself, when it is a text. A `GET` or `HEAD` has none. */
  readonly body?: Record<string, unknown> | string;
  readonly headers?: Record<string, string>;
  readonly sign?: SignOptions;
}

/** A request to this node, signed for its URL as the registry names it. */
export async function signedRequest(app: PlatformApp, node: NodeKeys, options: SignedRequestOptions): Promise<Request> {
  const { chainId, path = '/kms/derive', method = 'POST', body = { path: 'signed' }, headers, sign } = options;
  const account = privateKeyToAccount(app.walletKey);
  const text = typeof body === 'string' ? body : sealedBody(app, node, JSON.stringify(body));
  const content = method === 'GET' || method === 'HEAD' ? {} : { body: text };
  const request = new Request(`${node.url}${path}`, { method, headers: { 'content-type': 'application/json', ...headers }, ...content });
  const signer = {
    address: account.address,
    chainId,
    signMessage: (message: Uint8Array) => account.signMessage({ message: { raw: toHex(message) } }),
  };
  return await signRequest(request, signer, sign);
}

/** Sends it, checks the answer's signature whatever its status, and opens it when it is an envelope. */
export async function exchange(app: PlatformApp, node: NodeKeys, request: Request, chainId: number): Promise<SealedAnswer> {
  const { headers: requestHeaders, method, url } = request;
  const response = await fetch(request);
  const wire = await response.text();
  const signer = await answerSigner(response, wire, { method, url, headers: Object.fromEntries(requestHeaders) });
  if (signer !== `erc8128:${chainId}:${node.wallet}`) throw new Error(`the answer is not signed by ${node.wallet}: ${signer}, ${wire}`);
  if (!response.ok) return { status: response.status, headers: response.headers, wire, body: undefined };
  const { sender_tee_pubkey: sender, nonce, encrypted_data: encryptedData } = JSON.parse(wire) as Record<string, string>;
  if (sender !== node.teePubkey) throw new Error('the answer was sealed by another key than the registry names');
  const plaintext = Buffer.from(app.box.openFrom(node.teePubkey, { nonce: nonce ?? '', encryptedData: encryptedData ?? '' }));
  return {
    status: response.status,
    headers: response.headers,
    wire,
    body: JSON.parse(plaintext.toString('utf8')) as Record<string, unknown>,
  };
}

/** The key id whose wallet signed this answer to this request, or `unsigned`. */
export async function answerSigner(
  response: Response,
  body: string,
  request: { readonly method: string; readonly url: string; readonly headers: Record<string, string> },
): Promise<string> {
  const digest = `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;
  if (response.headers.get('content-digest') !== digest) return 'unsigned';
  let signedBy = 'unsigned';
  await httpbis.verifyMessage(
    {
      requiredFields: ['@status', 'content-digest'],
      requiredParams: ['created', 'keyid'],
      keyLookup: (parameters) =>
        Promise.resolve({
          id: parameters.keyid ?? '',
          async verify(base, signature) {
            if (!base.toString('utf8').includes('"signature";req;key="eth": ')) return false;
            const v = (signature[64] as number) + ((signature[64] as number) < 27 ? 27 : 0);
            const whole = toHex(Buffer.concat([signature.subarray(0, 64), Buffer.of(v)]));
            const address = await recoverMessageAddress({ message: { raw: toHex(base) }, signature: whole });
            const named = parameters.keyid?.endsWith(address.toLowerCase()) ?? false;
            if (named) signedBy = parameters.keyid ?? 'unsigned';
            return named;
          },
        }),
    },
    { status: response.status, headers: Object.fromEntries(response.headers) },
    { ...request, headers: request.headers },
  );
  return signedBy;
}
