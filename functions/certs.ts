/**
 * `POST /kms/sign_cert` and `GET /ca` (`docs/protocol.md` clause 12): certificates for the instances that the registry names, and
 * the bundle that verifies them. What a request brings is a key that it holds; who it is was decided before it came here.
 */
import { bundlePem, certificatePem, isoSeconds, trustBundle } from '../core/ca/bundle.ts';
import { parseValidity } from '../core/ca/validity.ts';
import { usableBlocks } from '../core/chain/view.ts';
import { usableEpochs } from '../core/cluster/readiness.ts';
import { Refusal } from '../core/errors.ts';
import { CERTIFICATE_REQUESTS, SIGN_CERT_BODY_BYTES_MAX } from '../core/limits.ts';
import { base64, parseBase64, utf8 } from '../core/wire/bytes.ts';
import { canonicalJson, unknownMember } from '../core/wire/json.ts';
import { cacheableReply } from './answers.ts';
import { requireServing } from './sealed.ts';
import type { EpochRecord } from '../core/chain/registry.ts';
import type { Kms } from '../core/kms.ts';
import type { JsonObject } from '../core/wire/json.ts';
import type { Endpoint, Work } from './sealed.ts';

const work: Work<JsonObject> = (kms, caller, request) => {
  if (unknownMember(request, ['csr', 'ttl_seconds', 'validity_days']) !== undefined) throw new Refusal('field_unknown');
  const lifeMs = parseValidity(request);
  const csr = typeof request['csr'] === 'string' ? parseBase64(request['csr']) : undefined;
  if (!csr) throw new Refusal('csr_malformed', 'not base64');
  const subject = { appId: caller.appId, instanceId: caller.instanceId };
  const { leaf, ca, serial, validity } = kms.ca.issue({ subject, csr, lifeMs, epoch: activeEpoch(kms) });
  kms.audit.record('certificate_issued', {
    app_id: String(caller.appId),
    instance_id: String(caller.instanceId),
    epoch: ca.epoch,
    serial,
    not_after_ms: validity.notAfterMs,
  });
  const [certificate, authority] = [certificatePem(leaf), certificatePem(ca.der)];
  const body = {
    certificate: base64(utf8(certificate)),
    ca_certificate: base64(utf8(authority)),
    chain: base64(utf8(certificate + authority)),
    not_after: isoSeconds(validity.notAfterMs),
    serial,
    epoch: ca.epoch,
    block: caller.blockNumber,
  };
  return { body };
};

export const signCertificate: Endpoint = { work, bodyBytesMax: SIGN_CERT_BODY_BYTES_MAX, countsAs: CERTIFICATE_REQUESTS };

/** PEM, or JSON for who asks for it. Public: names, times and public keys. */
export function caBundle(kms: Kms, request: Request): Response {
  requireServing(kms);
  const entries = trustBundle(kms.ca, epochsInUse(kms));
  const wantsJson = (request.headers.get('accept') ?? '').includes('application/json');
  return wantsJson
    ? cacheableReply('application/json', canonicalJson({ bundle: entries }))
    : cacheableReply('application/pem-certificate-chain', bundlePem(entries));
}

function epochsInUse({ view }: Kms): readonly EpochRecord[] {
  const blocks = usableBlocks(view);
  if (!blocks) throw new Refusal('chain_unavailable', 'no view of the chain');
  return usableEpochs(blocks);
}

function activeEpoch(kms: Kms): EpochRecord {
  const active = epochsInUse(kms).find(({ state }) => state === 'active');
  if (!active) throw new Refusal('epoch_retired', 'the active epoch was given up at the head');
  return active;
}
