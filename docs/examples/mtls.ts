/**
 * Two apps that talk TLS both ways with nothing but the cluster's certificates: each makes a key, has it certified and
 * believes whoever the cluster's CA names. Beside `npm start -- --apps 2`: `npx node docs/examples/mtls.ts`
 */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, createServer } from 'node:tls';
import { createClient, odyn, parseProfile } from 'nova-kms/client';

const [clusterFile = new URL('../../.simulation/cluster.json', import.meta.url)] = process.argv.slice(2);
const cluster = JSON.parse(await readFile(clusterFile, 'utf8'));
const [front, back = front] = cluster.apps;
const profile = parseProfile(cluster.profile);
const clientOf = (app: { odyn_url: string }) => createClient({ profile, chain: cluster.rpc_url, keys: odyn(app.odyn_url) });

const [ours, theirs] = await Promise.all([clientOf(front).signCertificate(), clientOf(back).signCertificate({ ttlSeconds: 3600 })]);

const server = createServer({
  key: theirs.privateKey,
  cert: theirs.certificate,
  ca: theirs.ca,
  requestCert: true,
  rejectUnauthorized: true,
});
server.on('secureConnection', (socket) => {
  // The chain of the peer is verified by now; this is who it is.
  socket.end(`hello ${socket.getPeerCertificate().subjectaltname}`);
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');

const expected = `URI:spiffe://${profile.trustDomain}/app/${back.app_id}/`;
const socket = connect({
  port: (server.address() as { port: number }).port,
  host: '127.0.0.1',
  ...{ key: ours.privateKey, cert: ours.certificate, ca: ours.ca },
  // Certificates name apps, not hosts: the name to insist on is the app's.
  checkServerIdentity: (_host, { subjectaltname = '' }) => (subjectaltname.startsWith(expected) ? undefined : new Error(subjectaltname)),
});
let greeting = '';
for await (const chunk of socket.setEncoding('utf8')) greeting += chunk;
server.close();
console.log(`app ${back.app_id} says: ${greeting}. Its certificate ends at ${theirs.notAfter.toISOString()}`);
