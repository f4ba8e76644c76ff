/**
 * The road of operators (`docs/protocol.md` clause 14.4): signed, authorize, rate, answer, sign. It does not ask whether the node serves: a
 * node that does not is what operators look into. Nothing on it is sealed, because nothing on it is secret.
 */
import { withDeadline } from '../core/deadline.ts';
import { Refusal } from '../core/errors.ts';
import { REQUEST_MS_MAX } from '../core/limits.ts';
import { jsonReply } from './answers.ts';
import { authenticateSigned, compareBody, signAnswer, useUp } from './proofs.ts';
import type { Kms } from '../core/kms.ts';
import type { Json } from '../core/wire/json.ts';
import type { RequestProof } from '../core/auth/httpsig.ts';
import type { Visit } from './visitors.ts';

/** What an endpoint tells an operator; throws the reason for which it does not. */
export type Telling = (kms: Kms, url: URL) => Json | Promise<Json>;

const NO_BODY = new Uint8Array(0);

export function forOperators(kms: Kms, tell: Telling): (request: Request, visit: Visit) => Promise<Response> {
  return (request, visit) => withDeadline(kms.clock, REQUEST_MS_MAX, 'deadline_exceeded', travel(kms, tell, request, visit));
}

async function travel(kms: Kms, tell: Telling, request: Request, { refuse, welcome }: Visit): Promise<Response> {
  // Before the proof: the URL that it is for stands on the chain as well.
  const state = kms.view.state();
  if (state.kind !== 'fresh') throw new Refusal(state.reason, state.detail);
  const proof = authenticateSigned(kms, request);
  await kms.operators.authorize(proof.wallet);
  welcome();
  if (!kms.operatorRate.take(proof.wallet)) throw new Refusal('rate_limited', `operator ${proof.wallet}`);
  useUp(kms, proof);
  return await signAnswer(kms, proof, await answer(kms, tell, request, proof).catch(refuse));
}

async function answer(kms: Kms, tell: Telling, request: Request, proof: RequestProof): Promise<Response> {
  compareBody(proof, NO_BODY);
  return jsonReply(200, await tell(kms, new URL(request.url)));
}
