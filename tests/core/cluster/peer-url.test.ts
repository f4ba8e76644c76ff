import { describe, expect, it } from 'vitest';
import { peerOrigin } from '../../../core/cluster/peer-url.ts';
import type { PeerUrlPolicy } from '../../../core/networks.ts';

const https: PeerUrlPolicy = { scheme: 'https', hosts: [], hostSuffixes: ['.nova.example'] };
const loopback: PeerUrlPolicy = { scheme: 'http', hosts: ['127.0.0.1', 'localhost', '[::1]'], hostSuffixes: [] };

describe('a peer’s URL', () => {
  it.each([
    ['https://node.nova.example', 'https://node.nova.example'],
    ['https://node.nova.example/', 'https://node.nova.example'],
    ['https://node.nova.example:443', 'https://node.nova.example'],
    ['https://node.nova.example:8443', 'https://node.nova.example:8443'],
    ['https://a.b.c.nova.example', 'https://a.b.c.nova.example'],
    ['https://1-2.nova.example', 'https://1-2.nova.example'],
    ['HTTPS://NODE.NOVA.EXAMPLE/', 'https://node.nova.example'],
    ['https://xn--80ak6aa92e.nova.example', 'https://xn--80ak6aa92e.nova.example'],
    ['https://ключ.nova.example', 'https://xn--j1ac0b1a.nova.example'],
    ['https://node。nova.example', 'https://node.nova.example'],
    ['https:\\\\node.nova.example', 'https://node.nova.example'],
    [' https://node.nova.example\n', 'https://node.nova.example'],
  ])('%j is dialled as %s', (url, origin) => expect(peerOrigin(url, https)).toBe(origin));

  it.each([
    ['another scheme', 'http://node.nova.example'],
    ['a file', 'file://node.nova.example/etc/passwd'],
    ['a web socket', 'wss://node.nova.example'],
    ['a script', 'javascript:alert(1)'],
    ['no scheme', 'node.nova.example'],
    ['nothing', ''],
    ['a path', 'https://node.nova.example/admin'],
    ['a path of dots that stays one', 'https://node.nova.example/a/..//'],
    ['a query', 'https://node.nova.example/?a=1'],
    ['a fragment', 'https://node.nova.example/#a'],
    ['a user', 'https://user@node.nova.example'],
    ['a password', 'https://:password@node.nova.example'],
    ['a user that looks like the host', 'https://node.nova.example@evil.example'],
    ['a host that looks like a user', 'https://evil.example\\@node.nova.example'],
    ['the suffix alone', 'https://nova.example'],
    ['the suffix glued to another name', 'https://evil-nova.example'],
    ['the suffix inside another name', 'https://node.nova.example.evil.example'],
    ['another domain', 'https://node.nova.exampl'],
    ['a trailing dot', 'https://node.nova.example.'],
    ['an empty label', 'https://node..nova.example'],
    ['a leading dot', 'https://.nova.example'],
    ['an underscore', 'https://a_b.nova.example'],
    ['a label that starts with a hyphen', 'https://-a.nova.example'],
    ['a label that ends with a hyphen', 'https://a-.nova.example'],
    ['a label that is too long', `https://${'a'.repeat(64)}.nova.example`],
    ['a name that is too long', `https://${'a.'.repeat(123)}nova.example`],
    ['a percent-encoded dot that is none', 'https://node%2enova%2eexample%2eevil.example'],
    ['a zero byte', 'https://node.nova.example\u0000.evil.example'],
    ['a port of mail', 'https://node.nova.example:25'],
    ['a port of mail, written long', 'https://node.nova.example:00025'],
    ['a port of Redis', 'https://node.nova.example:6379'],
    ['a port of PostgreSQL', 'https://node.nova.example:5432'],
    ['a port that does not exist', 'https://node.nova.example:65536'],
    ['more characters than a URL may have', `https://node.nova.example/${' '.repeat(256)}`],
  ])('is refused with %s', (_what, url) => expect(peerOrigin(url, https)).toBeUndefined());

  it.each([
    '127.0.0.1',
    '127.1',
    '2130706433',
    '0x7f000001',
    '0x7f.1',
    '0177.0.0.1',
    '017700000001',
    '0',
    '0.0.0.0',
    '10.0.0.1',
    '169.254.169.254',
    '192.168.0.1',
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[0:0:0:0:0:0:0:1]',
    '[fd00::1]',
    '[fe80::1]',
    '[64:ff9b::7f00:1]',
    '8.8.8.8',
    '１２７.０.０.１',
    '①②⑦.0.0.1',
    '127。0。0。1',
  ])('S-H2 is refused with the address literal %s, however it is spelt', (host) => {
    expect(peerOrigin(`https://${host}`, https)).toBeUndefined();
    expect(peerOrigin(`https://${host}:8443/`, https)).toBeUndefined();
    expect(peerOrigin(`https://${host}`, { ...https, hostSuffixes: ['.0.1', '.0.0.1', '.example'] })).toBeUndefined();
  });
  it.each(['localhost', 'LOCALHOST', 'localhost.', 'metadata', 'metadata.google.internal'])('is refused with the name %s', (host) =>
    expect(peerOrigin(`https://${host}`, https)).toBeUndefined(),
  );
});

describe('an allowed host', () => {
  it.each([
    ['http://127.0.0.1:8787', 'http://127.0.0.1:8787'],
    ['http://localhost:8787/', 'http://localhost:8787'],
    ['http://[::1]:8787', 'http://[::1]:8787'],
    ['http://2130706433:8787', 'http://127.0.0.1:8787'],
  ])('%s is dialled as %s, because the profile lists what it means', (url, origin) => expect(peerOrigin(url, loopback)).toBe(origin));
  it.each([
    'http://127.0.0.2:8787',
    'http://10.0.0.1',
    'https://127.0.0.1',
    'http://127.0.0.1.nova.example',
    'http://127.0.0.1:6379',
    'http://node.nova.example',
    'http://x.localhost',
  ])('%s is not', (url) => expect(peerOrigin(url, loopback)).toBeUndefined());
});
