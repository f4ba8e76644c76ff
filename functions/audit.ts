/**
 * `GET /audit/head`, `GET /audit` and `GET /audit/milestones` (`docs/protocol.md` clause 14.3): where this boot's trail ends, signed, and
 * the records that lead there.
 */
import { parseSignature } from '../core/crypto/wallet.ts';
import { Refusal } from '../core/errors.ts';
import { AUDIT_PAGE_BYTES_MAX, AUDIT_PAGE_RECORDS_MAX } from '../core/limits.ts';
import { auditHeadText } from '../core/wire/pop.ts';
import type { Audit } from '../core/audit/audit.ts';
import type { Kms } from '../core/kms.ts';
import type { Json } from '../core/wire/json.ts';
import type { Telling } from './operators.ts';

/** Rejects with `odyn_unavailable`. */
export const auditHead: Telling = async ({ audit, identity, signer }) => {
  const head = { ...audit.head(), node: identity.wallet, incarnation: audit.incarnation };
  const signature = await signer.sign(auditHeadText(head));
  if (!parseSignature(signature)) throw new Refusal('odyn_unavailable', 'its signature has not 65 bytes');
  return { ...head, oldest: audit.kept().oldest, signature };
};

export const auditPage: Telling = (kms, url) => pageOf(kms, url, kms.audit.page);

/** Those that stay when what apps and strangers bring about has pushed all others out. */
export const auditMilestones: Telling = (kms, url) => pageOf(kms, url, kms.audit.milestones);

/** The records are what was hashed, member for member. */
function pageOf({ audit, identity }: Kms, url: URL, read: Audit['page']): Json {
  const { from = 1, limit = AUDIT_PAGE_RECORDS_MAX } = parseRange(url.searchParams);
  audit.settle();
  const { records, next } = read(from, { recordsMax: limit, bytesMax: AUDIT_PAGE_BYTES_MAX });
  return { node: identity.wallet, incarnation: audit.incarnation, records: records as readonly Json[], next: next ?? null };
}

/** Each once, in decimal, or not at all. */
function parseRange(query: URLSearchParams): { readonly from?: number; readonly limit?: number } {
  const named = [...query];
  if (named.some(([name]) => name !== 'from' && name !== 'limit')) throw new Refusal('field_unknown');
  const { from, limit } = Object.fromEntries(named);
  if (from !== undefined && (!/^[1-9]\d{0,14}$/.test(from) || query.getAll('from').length > 1)) throw new Refusal('from_malformed');
  const isLimit = limit === undefined || (/^[1-9]\d{0,4}$/.test(limit) && Number(limit) <= AUDIT_PAGE_RECORDS_MAX);
  if (!isLimit || query.getAll('limit').length > 1) throw new Refusal('limit_malformed');
  return { ...(from !== undefined && { from: Number(from) }), ...(limit !== undefined && { limit: Number(limit) }) };
}
