/**
 * The route table. Every request gets an id of ours (never one that it brought), every refusal one line in the log and one
 * answer from the error table, and nothing that an exception says goes out.
 */
import { Router } from 'itty-router';
import { createRate } from '../core/auth/rate.ts';
import { Refusal } from '../core/errors.ts';
import { LOGGED_REASONS_MAX, LOGGED_REFUSALS_BURST, LOGGED_REFUSALS_PER_SECOND, REQUEST_URL_CHARS_MAX } from '../core/limits.ts';
import { hex } from '../core/wire/bytes.ts';
import { attestation } from './attestation.ts';
import { auditHead, auditMilestones, auditPage } from './audit.ts';
import { caBundle, signCertificate } from './certs.ts';
import { batch, get, list, put, remove } from './data.ts';
import { DATA_PATH } from './data-requests.ts';
import { derive } from './derive.ts';
import { metrics } from './metrics.ts';
import { operatorStatus } from './operator-status.ts';
import { forOperators, forRegistrants } from './operators.ts';
import { health, index, nodes, nonce, ready, status } from './public.ts';
import { refusalReply } from './reply.ts';
import { sealed } from './sealed.ts';
import { sync } from './sync.ts';
import { createAdmit } from './visitors.ts';
import { vote } from './votes.ts';
import type { Kms } from '../core/kms.ts';
import type { Random } from '../core/ports.ts';
import type { Refuse } from './reply.ts';
import type { Visit } from './visitors.ts';

type Handler = (request: Request, visit: Visit) => Response | Promise<Response>;
type Method = (typeof METHODS)[number];

type Routes = ReturnType<typeof Router<{ readonly method: string; readonly url: string }, [Request, Visit]>>;

const METHODS = ['GET', 'POST', 'PUT', 'DELETE'] as const;
const REQUEST_ID_BYTES = 8;

function routesOf(kms: Kms): Readonly<Record<string, Partial<Record<Method, Handler>>>> {
  return {
    '/': { GET: () => index(kms) },
    '/health': { GET: health },
    '/ready': { GET: () => ready(kms) },
    '/status': { GET: () => status(kms) },
    '/nonce': { GET: () => nonce(kms) },
    '/nodes': { GET: () => nodes(kms) },
    '/attestation': { GET: attestation(kms) },
    '/ca': { GET: (request) => caBundle(kms, request) },
    '/kms/derive': { POST: sealed(kms, derive) },
    '/kms/sign_cert': { POST: sealed(kms, signCertificate) },
    '/kms/data': { GET: sealed(kms, list), PUT: sealed(kms, put), DELETE: sealed(kms, remove) },
    '/kms/data/batch': { GET: sealed(kms, get), POST: sealed(kms, batch) },
    '/kms/data/*': { GET: sealed(kms, get) },
    '/metrics': { GET: () => metrics(kms) },
    '/audit': { GET: forOperators(kms, auditPage) },
    '/audit/head': { GET: forOperators(kms, auditHead) },
    '/audit/milestones': { GET: forOperators(kms, auditMilestones) },
    '/operator/status': { GET: forOperators(kms, operatorStatus) },
    '/operator/vote': { POST: forRegistrants(kms, vote) },
    '/sync': { POST: sync(kms) },
  };
}

/** `peerAddress` is that of the connection, where the host knows it. */
export type Api = (request: Request, peerAddress?: string) => Promise<Response>;

export function createApi(kms: Kms): Api {
  const admit = createAdmit(kms);
  const logged = createRate(kms.clock, {
    perSecond: LOGGED_REFUSALS_PER_SECOND,
    burst: LOGGED_REFUSALS_BURST,
    keysMax: LOGGED_REASONS_MAX,
  });
  const router: Routes = Router();
  for (const [path, handlers] of Object.entries(routesOf(kms))) {
    router.all(path, (_route, request, visit) => dispatch(request, visit, handlers));
  }

  function refuse(request: Request, requestId: string, error: unknown): Response {
    const route = `${request.method} ${routeOf(new URL(request.url).pathname)}`;
    const reason = error instanceof Refusal ? error.reason : 'internal';
    kms.audit.count('refused', { reason });
    // What one stranger can make fail, it can make fail again and again.
    const isLogged = logged.take(reason);
    if (!(error instanceof Refusal)) {
      const detail = error instanceof Error ? `${error.name}: ${error.message}` : 'threw no error';
      if (isLogged) kms.log('request.failed', { requestId, route, detail });
      return refusalReply(new Refusal('internal'), requestId);
    }
    if (isLogged) kms.log('request.refused', { requestId, route, reason: error.reason, detail: error.detail });
    const reply = refusalReply(error, requestId);
    if (error.reason === 'method_not_allowed') reply.headers.set('allow', error.detail);
    return reply;
  }

  async function answer(request: Request, peerAddress: string | undefined, refuseThis: Refuse): Promise<Response> {
    if (request.url.length > REQUEST_URL_CHARS_MAX) throw new Refusal('url_too_long');
    const { origin, pathname } = new URL(request.url);
    const visit = { refuse: refuseThis, welcome: admit(request, pathname, peerAddress) };
    // The router sees method and path only: it takes quadratic time over a query, which is a stranger's to write.
    const url = `${origin}${routeOf(pathname)}`;
    const reply: Response | undefined = await router.fetch({ method: request.method, url }, request, visit);
    if (!reply) throw new Refusal('not_found');
    return reply;
  }

  return async (request, peerAddress) => {
    const requestId = newRequestId(kms.random);
    const refuseThis = (error: unknown) => refuse(request, requestId, error);
    const reply = await answer(request, peerAddress, refuseThis).catch(refuseThis);
    reply.headers.set('x-request-id', requestId);
    return reply;
  };
}

/** Of ours, never one that a request brought. */
export function newRequestId(random: Random): string {
  return hex(random.bytes(REQUEST_ID_BYTES));
}

/** Elsewhere the router takes slashes at the end for none; here they belong to the key, which no log is told. */
function routeOf(pathname: string): string {
  return pathname.startsWith(DATA_PATH) && pathname !== `${DATA_PATH}batch` ? `${DATA_PATH}*` : pathname;
}

/** HEAD is GET without its body, as load balancers expect of `/health`. */
async function dispatch(request: Request, visit: Visit, handlers: Partial<Record<Method, Handler>>): Promise<Response> {
  const method = request.method === 'HEAD' ? 'GET' : METHODS.find((each) => each === request.method);
  const handler = method && handlers[method];
  if (!handler) throw new Refusal('method_not_allowed', allowed(handlers));
  const reply = await handler(request, visit);
  return request.method === 'HEAD' ? new Response(null, reply) : reply;
}

function allowed(handlers: Partial<Record<Method, Handler>>): string {
  return METHODS.flatMap((method) => (handlers[method] ? (method === 'GET' ? ['GET', 'HEAD'] : [method]) : [])).join(', ');
}
