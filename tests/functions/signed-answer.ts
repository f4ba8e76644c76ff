/** What came back for a request signature, and whose wallet signed it for that request. */
import { contentDigestOf } from '../../core/crypto/digest.ts';
import { recoverWallet } from '../../core/crypto/wallet.ts';
import { utf8 } from '../../core/wire/bytes.ts';
import { parseResponseInput, parseSignatureMember, responseBase } from '../../core/wire/httpsig.ts';

export type Body = Readonly<Record<string, unknown>>;

export interface SignedAnswer {
  readonly status: number;
  readonly body: Body;
  /** `undefined` when nobody signed it, or not for this request. */
  readonly signer: string | undefined;
  readonly text: string;
}

export async function exchanged(send: (request: Request) => Promise<Response>, request: Request): Promise<SignedAnswer> {
  const ours = /^eth=(:.+:)$/.exec(request.headers.get('signature') ?? '')?.[1] ?? '';
  const response = await send(request);
  const text = await response.text();
  const [input, signature] = [
    parseResponseInput(response.headers.get('signature-input') ?? ''),
    parseSignatureMember(response.headers.get('signature') ?? ''),
  ];
  const digest = contentDigestOf(utf8(text));
  const isSigned = input && signature && response.headers.get('content-digest') === digest;
  const signer = isSigned ? recoverWallet(responseBase(response.status, digest, ours, input.text), signature) : undefined;
  return { status: response.status, body: JSON.parse(text) as Body, signer, text };
}
