import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { after, test } from 'node:test';
import type { RestServer } from '../../servers/rclone.js';
import { REST_SERVER_MISSING, startRestServer } from '../../servers/rest-server.js';
import { startScripted } from '../../servers/scripted.js';
import { startVarveServe } from '../../servers/varve-serve.js';
import { Watched } from './cases.js';

/** Has all that a place must have written otherwise. */
const ANN = 'p@ss/w?rd#1%:&';
const BOB = 'secret-of-bob';
const WRONG = 'wrong-pass-phrase';
const USERS = { ann: ANN, bob: BOB };
const LOGIN = `ann:${encodeURIComponent(ANN)}`;
const basic = (user: string, password: string): string => Buffer.from(`${user}:${password}`).toString('base64');
const SECRETS = [ANN, BOB, WRONG, basic('ann', ANN), basic('bob', BOB), basic('ann', WRONG)];

const servers: RestServer[] = [];
after(async () => {
  for (const each of servers) await each.stop();
});

type Start = (directory: string, ...options: string[]) => Promise<RestServer>;

const STARTS: Readonly<Record<string, { readonly start: Start; readonly skip: string | false }>> = {
  'varve serve': { start: (directory, ...options) => startVarveServe(directory, USERS, ...options), skip: false },
  'rest-server': {
    start: (directory, ...options) => startRestServer(directory, USERS, ...options),
    skip: REST_SERVER_MISSING,
  },
};

for (const [name, { start, skip }] of Object.entries(STARTS)) {
  test(`errors of ${name} give advice and show no password`, { skip }, async () => {
    const watched = new Watched(...SECRETS);
    const { place } = watched;
    const directory = (called: string): string => {
      const path = place.path(called);
      mkdirSync(path);
      return path;
    };
    const server = await start(directory('private'), '--private-repos');
    const strict = await start(directory('strict'), '--append-only', '--max-size', '3000000');
    servers.push(server, strict);
    const at = (login: string, path: string, host = server.host): string =>
      `rest:http://${login === '' ? '' : `${login}@`}${host}/${path}`;
    const ours = at(LOGIN, 'ann/laptop');
    const source = place.files('source', { big: Buffer.alloc(100_000, 'x') });
    await watched.ok(['init', '-r', ours]);
    await watched.ok(['backup', source, '-r', ours]);
    await watched.ok(['snapshots', '-r', at('', 'ann/laptop')], {
      VARVE_REST_USERNAME: 'ann',
      VARVE_REST_PASSWORD: ANN,
    });

    for (const args of [['init'], ['backup', source], ['snapshots'], ['prune']])
      await watched.fails({
        repository: at(`ann:${WRONG}`, 'ann/laptop'),
        args,
        message:
          /config .*rest:http:\/\/ann:\*\*\*@127.*does not know the user "ann", or not with this password \(from the repository’s location\)/,
      });
    await watched.fails({
      repository: at('', 'ann/laptop'),
      args: ['snapshots'],
      env: { VARVE_REST_USERNAME: 'ann', VARVE_REST_PASSWORD: WRONG },
      message: /does not know the user "ann".*\(from VARVE_REST_USERNAME and VARVE_REST_PASSWORD\)/,
    });
    await watched.fails({
      repository: at('ann', 'ann/laptop'),
      args: ['snapshots'],
      message: /requires a password of the user "ann": set VARVE_REST_PASSWORD/,
    });
    await watched.fails({
      repository: at('', 'ann/laptop'),
      args: ['snapshots'],
      message: /requires a user and a password: .*VARVE_REST_USERNAME and VARVE_REST_PASSWORD/,
    });
    await watched.fails({
      repository: at(`bob:${BOB}`, 'ann/laptop'),
      args: ['snapshots'],
      message: /to the user "bob": is the repository another user’s|user "bob", .*the repository is another user’s/,
    });
    await watched.fails({
      repository: at(LOGIN, 'ann/lapto'),
      args: ['snapshots'],
      code: 10,
      message: /rest:http:\/\/ann:\*\*\*@.*\/ann\/lapto: there is no repository here .*varve init/,
    });
    await watched.fails({
      repository: at(LOGIN, 'ann/laptop').replace('http:', 'https:'),
      args: ['snapshots'],
      message: /does not speak TLS there: use http:/,
    });
    await watched.fails({
      repository: `rest:http://ann:${ANN}@${server.host}/x`,
      args: ['snapshots'],
      message: /write .*%/,
    });

    const kept = at(LOGIN, 'laptop', strict.host);
    await watched.ok(['init', '-r', kept]);
    await watched.ok(['backup', source, '-r', kept]);
    const removal = await watched.run(['forget', 'latest', '-r', kept]);
    assert.equal(removal.code, 3);
    assert.match(removal.err, /could not be removed: .*forbids it to the user "ann": it is append-only/);
    const another = place.path('another-key');
    writeFileSync(another, randomBytes(32), { mode: 0o600 });
    await watched.fails({
      repository: kept,
      args: ['key', 'passwd', '--new-key-file', another],
      message: /cannot remove keys\/.*append-only.*; the old password still opens the repository/,
    });
    const large = place.files('large', { noise: randomBytes(4_000_000) });
    await watched.fails({
      repository: kept,
      args: ['backup', large],
      message: /cannot write data\/.*no space left on the server; the stored data is safe: free some space there/,
    });
    for (const each of [server, strict]) watched.noSecretIn(each.output(), `log of ${name}`);
  });
}

test('rclone, which calls everything missing that it fails to get, is not believed where it fails to list as well', async () => {
  const watched = new Watched(WRONG);
  const server = await startScripted((_, response) => response.writeHead(404, { server: 'rclone/v1.60.1' }).end());
  try {
    const repository = `rest:http://ann:${WRONG}@${server.host}/`;
    await watched.fails({ repository, args: ['snapshots'], message: /cannot list keys of .*rclone failed/ });
  } finally {
    await server.stop();
  }
});
