/**
 * The road of operators (`docs/protocol.md` clause 14.4): signed, authorize, rate, answer, sign. It does not ask whether the node serves: a
 * node that does not is what operators look into. Nothing on it is sealed, because nothing on it is secret. What changes something is open
 * to who registered the node, and to nobody else.
 */
import { withDeadline } from '../core/deadline.ts';
import { Refusal } from '../core/errors.ts';
import { REQUEST_MS_MAX } from '../core/limits.ts';
import { parseUtf8 } from '../core/wire/bytes.ts';
import { parseJsonObject } from '../core/wire/json.ts';
import { jsonReply } from './answers.ts';
import { readBody } from './body.ts';
import { authenticateSigned, compareBody, requireUnused, signAnswer, useUp } from './proofs.ts';
import type { Wallet } from '../core/identity.ts';
import type { Kms } from '../core/kms.ts';
import type { Json, JsonObject } from '../core/wire/json.ts';
import type { RequestProof } from '../core/auth/httpsig.ts';
import type { Visit } from './visitors.ts';

/** What an endpoint tells an operator; throws the reason for which it does not. */
export type Telling = (kms: Kms, url: URL) => Json | Promise<Json>;

/** What an endpoint does for who registered the node. What it asks for stands in its body. */
export interface Deed {
  readonly bodyBytesMax: number;
  readonly work: (kms: Kms, registrant: Wallet, asked: JsonObject) => Promise<Json>;
}

interface Road {
  authorize(wallet: Wallet): void | Promise<void>;
  answer(request: Request, proof: RequestProof): Promise<Json>;
}

type Handler = (request: Request, visit: Visit) => Promise<Response>;

const NO_BODY = new Uint8Array(0);

export function forOperators(kms: Kms, tell: Telling): Handler {
  return handlerOf(kms, {
    authorize: (wallet) => kms.operators.authorize(wallet),
    async answer(request, proof) {
      compareBody(proof, NO_BODY);
      return await tell(kms, new URL(request.url));
    },
  });
}

export function forRegistrants(kms: Kms, { bodyBytesMax, work }: Deed): Handler {
  const authorize = (wallet: Wallet): void => kms.operators.authorizeRegistrant(wallet);
  return handlerOf(kms, {
    authorize,
    async answer(request, proof) {
      const body = await readBody(request, 'application/json', bodyBytesMax, kms.clock);
      compareBody(proof, body);
      const asked = parseJsonObject(parseUtf8(body) ?? '');
      if (!asked) throw new Refusal('body_malformed');
      // A body may take its time: who was the registrant when it began must still be.
      authorize(proof.wallet);
      return await work(kms, proof.wallet, asked);
    },
  });
}

function handlerOf(kms: Kms, road: Road): Handler {
  return (request, visit) => withDeadline(kms.clock, REQUEST_MS_MAX, 'deadline_exceeded', travel(kms, road, request, visit));
}

async function travel(kms: Kms, { authorize, answer }: Road, request: Request, { refuse, welcome }: Visit): Promise<Response> {
  // Before the proof: the URL that it is for stands on the chain as well.
  const state = kms.view.state();
  if (state.kind !== 'fresh') throw new Refusal(state.reason, state.detail);
  const proof = authenticateSigned(kms, request);
  await authorize(proof.wallet);
  requireUnused(kms, proof);
  if (!kms.operatorRate.take(proof.wallet)) throw new Refusal('rate_limited', `operator ${proof.wallet}`);
  welcome();
  useUp(kms, proof);
  const answered = answer(request, proof).then((told) => jsonReply(200, told));
  return await signAnswer(kms, proof, await answered.catch(refuse));
}
