/**
 * The two ways in which an app proves a request to one node and believes that node's answer: the request signature with the
 * signed answer (`docs/protocol.md` clauses 3.2 and 3.3), and the platform's proof (3.1). A proof is made for one node and
 * one attempt. Answers are attacker-controlled until `complaint` has found nothing.
 */
import { contentDigestOf } from '../crypto/digest.ts';
import { parseSignature, recoverWallet } from '../crypto/wallet.ts';
import { CLIENT_NONCE_ANSWER_BYTES_MAX, CLIENT_SIGNATURE_LIFE_MS, PROOF_HEADER_CHARS_MAX } from '../limits.ts';
import { hex, parseUtf8 } from '../wire/bytes.ts';
import {
  encodeRequestInput,
  encodeSignature,
  parseResponseInput,
  parseSignatureMember,
  requestBase,
  responseBase,
} from '../wire/httpsig.ts';
import { parseJsonObject } from '../wire/json.ts';
import { appProofText, appResponseText } from '../wire/pop.ts';
import { assert, Refusal } from '../errors.ts';
import { AttemptFailed } from './error.ts';
import type { Clock, Fetch, OutboundAnswer, OutboundRequest, Random, Signer } from '../ports.ts';
import type { LiveNode } from './directory.ts';
import type { Wallet } from '../identity.ts';

/** 202: done, on fewer nodes than were asked for. What stands sealed in the answer says so as well, and only that is believed. */
export const ANSWERED: ReadonlySet<number> = new Set([200, 202]);

/** What is to be proven: one request, to the URL as it is sent. */
export interface Unproven {
  readonly method: OutboundRequest['method'];
  readonly url: string;
  readonly body: Uint8Array | undefined;
}

export interface Proven {
  readonly headers: Readonly<Record<string, string>>;
  /** Why this is not the node's answer to this request; `undefined` when it is, and only then may its status be believed. */
  complaint(answer: OutboundAnswer): string | undefined;
}

export interface ProverDependencies {
  readonly chainId: number;
  readonly signer: Pick<Signer, 'sign'>;
  readonly wallet: Wallet;
  readonly clock: Clock;
  readonly random: Random;
  readonly fetch: Fetch;
}

/** What a proof is made for. */
export type Recipient = Pick<LiveNode, 'wallet' | 'url'>;

export type Prove = (dependencies: ProverDependencies, node: Recipient, request: Unproven, limits: ProofLimits) => Promise<Proven>;

export interface ProofLimits {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

const NONCE_BYTES = 16;

/** ERC-8128: bound to this request and this node's authority, no round trip before it. */
export const proveBySignature: Prove = async ({ chainId, signer, wallet, clock, random }, node, { method, url, body }) => {
  const { host: authority, pathname: path, search: query } = new URL(url);
  const content: Readonly<Record<string, string>> = body
    ? { 'content-digest': contentDigestOf(body), 'content-type': 'application/json' }
    : {};
  const components = ['@method', '@authority', '@path', ...(query === '' ? [] : ['@query']), ...Object.keys(content)];
  const created = Math.floor(clock.nowMs() / 1_000);
  const expires = created + CLIENT_SIGNATURE_LIFE_MS / 1_000;
  const input = encodeRequestInput(components, { created, expires, nonce: hex(random.bytes(NONCE_BYTES)), keyId: { chainId, wallet } });
  const base = requestBase({ method, authority, path, query, headers: new Headers(content) }, components, input);
  assert(base !== undefined, 'every covered component is there');
  const bytes = parseSignature(await signer.sign(base));
  if (!bytes) throw new Refusal('odyn_unavailable', 'its signature has not 65 bytes');
  const signature = encodeSignature(bytes);
  return {
    headers: { ...content, 'signature-input': `eth=${input}`, signature: `eth=${signature}` },
    complaint: (answer) => signedAnswerComplaint(answer, signature, chainId, node.wallet),
  };
};

/** Clause 3.3. `requestSignature` is the value of our own member: an answer to any other request names another. */
function signedAnswerComplaint(
  { status, headers, body }: OutboundAnswer,
  requestSignature: string,
  chainId: number,
  node: Wallet,
): string | undefined {
  const [inputHeader, signatureHeader] = [headers.get('signature-input'), headers.get('signature')];
  if (inputHeader === null || signatureHeader === null) return 'is not signed';
  const [input, signature] = [parseResponseInput(inputHeader), parseSignatureMember(signatureHeader)];
  if (!input || !signature) return 'bears a signature of another form';
  if (input.keyId.chainId !== chainId || input.keyId.wallet !== node) return 'is signed for another key';
  const digest = contentDigestOf(body);
  if (headers.get('content-digest') !== digest) return 'has a body that its Content-Digest does not name';
  const signer = recoverWallet(responseBase(status, digest, requestSignature, input.text), signature);
  return signer === node ? undefined : 'is not signed by this node for this request';
}

/** The platform's proof: a nonce of the node first. It binds neither method nor path nor body, and no error bears a signature. */
export const proveByPlatform: Prove = async ({ signer, wallet, clock, fetch }, node, { body }, limits) => {
  const nonce = await fetchNonce(fetch, node, limits);
  const timestamp = String(Math.floor(clock.nowMs() / 1_000));
  const signature = await signer.sign(appProofText(nonce, node.wallet, timestamp));
  return {
    headers: {
      ...(body && { 'content-type': 'application/json' }),
      'x-app-signature': signature,
      'x-app-nonce': nonce,
      'x-app-timestamp': timestamp,
      'x-app-wallet': wallet,
    },
    complaint: (answer) => platformAnswerComplaint(answer, signature, node.wallet),
  };
};

function platformAnswerComplaint({ status, headers }: OutboundAnswer, ours: string, node: Wallet): string | undefined {
  if (!ANSWERED.has(status)) return 'is an error, which this form of proof leaves unsigned';
  const signature = parseSignature(headers.get('x-kms-response-signature') ?? '');
  if (!signature) return 'is not signed';
  return recoverWallet(appResponseText(ours, node), signature) === node ? undefined : 'is not signed by this node for this request';
}

async function fetchNonce(fetch: Fetch, node: Recipient, limits: ProofLimits): Promise<string> {
  const answer = await fetch({ url: `${node.url}/nonce`, method: 'GET' }, { ...limits, bodyBytesMax: CLIENT_NONCE_ANSWER_BYTES_MAX });
  const nonce = answer.status === 200 ? parseJsonObject(parseUtf8(answer.body) ?? '')?.['nonce'] : undefined;
  const isNonce = typeof nonce === 'string' && nonce.length <= PROOF_HEADER_CHARS_MAX && /^[\x21-\x7e]+$/.test(nonce);
  if (!isNonce) throw new AttemptFailed('unproven', `gave no nonce (status ${answer.status})`);
  return nonce;
}
