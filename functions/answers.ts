/** The forms of what leaves the node. Nothing is kept by caches, but for what says so. */
import { BUNDLE_CACHED_SECONDS } from '../core/limits.ts';
import { canonicalJson } from '../core/wire/json.ts';
import type { Json } from '../core/wire/json.ts';

const HEADERS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

export function jsonReply(status: number, body: Json, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(canonicalJson(body), { status, headers: { 'content-type': 'application/json', ...HEADERS, ...headers } });
}

export function bytesReply(body: Uint8Array, contentType: string, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(body as Uint8Array<ArrayBuffer>, { headers: { 'content-type': contentType, ...HEADERS, ...headers } });
}

/** What anybody may keep for a while; `Accept` decides its form. */
export function cacheableReply(contentType: string, body: string): Response {
  const cached = { 'cache-control': `public, max-age=${BUNDLE_CACHED_SECONDS}`, vary: 'accept' };
  return new Response(body, { headers: { 'content-type': contentType, ...HEADERS, ...cached } });
}

/** What scrapers read: the text format of Prometheus, version 0.0.4. */
export function metricsReply(text: string): Response {
  return new Response(text, { headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', ...HEADERS } });
}

/** A sealed answer; with the platform's response signature when the proof was the platform's. */
export function envelopeReply(status: 200 | 202, envelope: string, platformSignature?: string): Response {
  const signed = platformSignature === undefined ? {} : { 'x-kms-response-signature': platformSignature };
  return new Response(envelope, { status, headers: { 'content-type': 'application/json', ...HEADERS, ...signed } });
}
